"""What a file of any format says of itself, and what its units are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import RecordError

RATE_TOLERANCE: Final = 1e-3
"""Between two statements of one sampling rate."""

Onsets = tuple[tuple[float, float], ...]

# What files call the unit of a channel, and how many microvolts it is.
_MICROVOLTS = {
    **dict.fromkeys(("microvolts", "microvolt", "uv", "µv", "μv"), 1.0),  # micro sign and Greek mu
    **dict.fromkeys(("millivolts", "millivolt", "mv"), 1e3),
    **dict.fromkeys(("volts", "volt", "v"), 1e6),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says of itself; None for what it does not."""

    emg_uv: NDArray[np.float32] | NDArray[np.float64]
    fs_hz: float | None
    labels: tuple[str, ...]
    onsets_s: Onsets | None


def is_voltage(unit: str) -> bool:
    """Whether nmesd knows how many microvolts this unit is."""
    return unit.strip().lower() in _MICROVOLTS


def microvolts(name: str, label: str, unit: str) -> float:
    """How many microvolts one of this unit is. Raises RecordError if nobody knows."""
    if not is_voltage(unit):
        raise RecordError(
            f"{name}: channel {label} is in {unit or 'no unit'}: nmesd knows microvolts, "
            "millivolts and volts; set it in the amplifier's program, or save as CSV"
        )
    return _MICROVOLTS[unit.strip().lower()]


def pairs(rows: Iterable[Iterable[float]]) -> Onsets:
    """Onset and offset of each activation. Raises ValueError or TypeError on what is no number."""
    return tuple((float(onset_s), float(offset_s)) for onset_s, offset_s in rows)
