"""What is wrong with a hop, as bits of one integer: zero means the hop may be judged.

Every flag means the same thing to the rest of nmesd: no attempt may come out of this hop. The bits
are written into the session record, so a number is never given a new meaning; new flags take new
bits.
"""

from typing import Final

NON_FINITE: Final = 1
"""A sample was NaN, infinite, or past any voltage there is: the hop was not filtered."""

SETTLING: Final = 2
"""The filters started afresh within the settling time: the envelope cannot be trusted yet."""

RAILED: Final = 4
"""A channel has been at the amplifier's full scale for a while (`dsp.stuck`): not filtered."""

FLAT: Final = 8
"""A channel has given the very same value for a while (`dsp.stuck`): not filtered."""

MAINS: Final = 16
"""Hum stronger than a notch can take out (`dsp.disturbance`)."""

MOVEMENT: Final = 32
"""Cable or skin moves (`dsp.disturbance`)."""

LEAD_OFF: Final = 64
"""The standing voltage jumped by more than two electrodes can differ (`dsp.disturbance`)."""

POP: Final = 128
"""A channel rose faster than a muscle can (`dsp.onsets`)."""

HEART: Final = 256
"""A channel's onsets come like a heart's (`dsp.onsets`)."""

CLIPPED: Final = 512
"""A channel touched the amplifier's full scale several times within a while (`dsp.stuck`)."""
