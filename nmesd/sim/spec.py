"""Who the virtual patient is: every number of the model, with its unit and where it comes from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import Any

from nmesd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PatientSpec:
    """A patient, the electrodes and the amplifier. Equal specs make equal signals, bit for bit.

    Channel 0 lies over the target muscle; the others show rest, mains and the stimulation artefact only.
    "Facts" are the project's notes the numbers were taken from. Raises ConfigError on impossible values.
    """

    seed: int = 1
    rate_hz: float = 1000.0
    channels: int = 1

    # -- rest ---------------------------------------------------------------------------------------------
    # r.m.s. of amplifier noise and postural tone together, half the power each. A commercial EMG trigger
    # resolves 1.25 µV (NeuroMove NM900 manual, p. 23), so quiet rest must lie in this order.
    rest_uv: float = 3.0
    # 0.1 to 3 times the rest (facts, fair protocol), at a frequency drawn from 49.8 to 50.2 Hz
    mains_uv: float = 2.0
    mains_hz: float = 50.0
    # 77 000 is what the spinal-cord-injury recording shows (Verma 2026, doi 10.1152/jn.00422.2024)
    offset_uv: float = 0.0
    # spontaneous single motor units at rest: 7 to 10 a second in the same recording
    spikes_hz: float = 0.0
    spike_uv: float = 20.0

    # -- attempts -----------------------------------------------------------------------------------------
    # intervals and durations as in the 56 dorsiflexions of Rashid 2019 (doi 10.1016/j.jelekin.2019.06.010):
    # one every 7 to 10 s, 1.2 to 1.7 s long
    first_attempt_s: float = 5.0
    interval_s: float = 8.0  # onset to onset
    interval_jitter_s: float = 1.5  # uniform, plus or minus
    duration_s: float = 1.5
    duration_jitter_s: float = 0.25  # uniform, plus or minus
    # power over rest: below 8 dB is hard for any detector (Bonato 1998, doi 10.1109/10.661154), the
    # dorsiflexions above have 20 to 30. Paralysed muscle mostly gives over 5 µV (Biomove FAQ).
    attempt_db: float = 15.0
    attempt_spread_db: float = 2.0  # standard deviation
    # linear rise: 50 to 200 ms (facts, fair protocol)
    rise_min_s: float = 0.05
    rise_max_s: float = 0.2
    # a patient waits until the stimulator has let go of the muscle: an attempt that falls due sooner than
    # this after a pulse waits; 0 lets the patient attempt at any time
    defer_after_pulse_s: float = 0.8

    # -- what a pulse leaves in the EMG -------------------------------------------------------------------
    # Chosen so that the tail needs the blanking HEROES found for it: 3 ms + 7.4 time constants (facts, E).
    # At 20 mA the tail starts at 5 mV, and exp(-7.4) of that is 3 µV: the rest.
    artefact_uv_per_ma: float = 1000.0
    recovery_share: float = 0.25
    recovery_tau_ms: float = 2.0
    # ADS1299 at gain 24 and 4.5 V reference: full scale 187.5 mV
    rail_uv: float = 187_500.0
    # Peak, half of 12.6 mV peak to peak: healthy biceps (Calder 2005, doi 10.1186/1743-0003-2-33). A
    # paretic muscle gives less; more is the harder case for a loop that must not trigger on it.
    m_wave_uv: float = 6300.0
    # over by about 14 ms after the pulse (HEROES; facts, E); a little longer is the harder case
    m_wave_latency_ms: float = 5.0
    m_wave_duration_ms: float = 12.0
    # recruitment grows between 14 and 70 mA in gastrocnemius (PMC3791398, fig. 1), earlier in the forearm;
    # S-shaped everywhere. The two numbers are chosen, not measured.
    m_wave_half_ma: float = 15.0
    m_wave_slope_ma: float = 3.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong(field.name, value, "a number")
            if not math.isfinite(value):
                raise _wrong(field.name, value, "a finite number")
            if value < 0 and field.name not in ("offset_uv", "attempt_db"):
                raise _wrong(field.name, value, "at least 0")
        if not (isinstance(self.seed, int) and isinstance(self.channels, int)):
            raise _wrong("seed, channels", (self.seed, self.channels), "whole numbers")
        if self.channels < 1:
            raise _wrong("channels", self.channels, "at least 1")
        if self.rate_hz < 100:
            raise _wrong("rate_hz", self.rate_hz, "at least 100 Hz: EMG begins at 20 Hz, mains is at 50")
        for name in ("rest_uv", "rail_uv", "recovery_tau_ms", "m_wave_slope_ma", "duration_s"):
            if getattr(self, name) == 0:
                raise _wrong(name, 0, "above 0")
        if not 0 < self.rise_min_s <= self.rise_max_s:
            raise _wrong("rise_min_s", self.rise_min_s, f"above 0, up to rise_max_s = {self.rise_max_s}")
        longest = self.duration_s + self.duration_jitter_s
        if self.interval_s - self.interval_jitter_s <= longest:
            raise _wrong("interval_s", self.interval_s, f"more than its jitter and an attempt ({longest} s)")
        if self.duration_s - self.duration_jitter_s <= self.rise_max_s:
            raise _wrong("duration_s", self.duration_s, "more than its jitter and rise_max_s")


def spec_from_json(text: str) -> PatientSpec:
    """The patient described by a JSON object of PatientSpec's fields; what is not named has its default.

    Raises ConfigError, naming the field.
    """
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"patient: not JSON ({error}): give an object such as {{}}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"patient: {type(values).__name__} given: give a JSON object such as {{}}")
    known = [field.name for field in fields(PatientSpec)]
    for name in values:
        if name not in known:
            raise ConfigError(f"patient: no field {name!r}: there are {', '.join(known)}")
    return PatientSpec(**values)


def _wrong(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"patient: {name} = {value}: must be {wanted}")
