"""What the signal chain says of EMG that is not to be decided on, and the reason that stands for each."""

from __future__ import annotations

from nmesd.errors import Reason

# Flags of dsp.quality; the core may not import dsp, a test holds them equal.
NON_FINITE = 1
SETTLING = 2
RAILED = 4
FLAT = 8
MAINS = 16
MOVEMENT = 32
LEAD_OFF = 64
POP = 128
HEART = 256
CLIPPED = 512

# Flags of EMG that is no measurement, and what they trip with. Where several are set, the first counts.
NO_MEASUREMENT = {
    NON_FINITE: Reason.EMG_NOT_FINITE,
    RAILED: Reason.EMG_RAILED,
    FLAT: Reason.EMG_FLAT,
    LEAD_OFF: Reason.EMG_LEAD_OFF,
}
# Flags of EMG with something else in it: it starts nothing and cannot be armed on.
DISTURBED = {
    MAINS: Reason.EMG_MAINS,
    MOVEMENT: Reason.EMG_MOVEMENT,
    POP: Reason.EMG_POP,
    HEART: Reason.EMG_HEART,
    CLIPPED: Reason.EMG_CLIPPED,
}


def trip_reason(flags: int) -> Reason:
    """What EMG with these flags trips with; NONE if it is a measurement."""
    return next((reason for flag, reason in NO_MEASUREMENT.items() if flags & flag), Reason.NONE)
