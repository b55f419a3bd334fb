"""What can go wrong with an EMG stream, on command. Pure: orders in, samples changed or withheld.

An order is a JSON object: {"fault": "gap", "samples": 50}. All take their length as `samples` or
`seconds`.

gap        samples are lost: they never come, and the time stamps show it
nan        samples are not a number
rail       the amplifier is at full scale
flat       the last value stays
duplicate  every chunk is sent twice, with the same time stamps
stall      nothing is sent, then everything at once, with its true time stamps
rate       from now on `factor` times the nominal number of samples per second, with true time stamps
end        the stream ends
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import ConfigError

Array = NDArray[np.float64]

# How long each lasts where the order does not say: one sample is enough to be wrong where noticing
# it takes no time, half a second is longer than any detector of the engine needs.
_SECONDS: Final = {"gap": 0.05, "rail": 0.5, "flat": 0.5, "stall": 0.2, "duplicate": 10.0}
_FACTOR_MIN: Final = 0.01
_FACTOR_MAX: Final = 100.0
_KINDS: Final = ("gap", "nan", "rail", "flat", "duplicate", "stall", "rate", "end")
_DISTORTIONS: Final = ("gap", "nan", "rail", "flat")


@dataclass(frozen=True, slots=True)
class Fault:
    """An order: what, for how many samples (0 for rate and end), and for `rate` by which factor."""

    kind: str
    samples: int = 0
    factor: float = 1.0

    @property
    def distorts(self) -> bool:
        """True if it is done to samples, False if to the sending."""
        return self.kind in _DISTORTIONS


def parse_fault(line: str, rate_hz: float) -> Fault:
    """The order in a line. Raises ConfigError, saying what was wrong and what is possible."""
    try:
        order: Any = json.loads(line)
        kind = order["fault"]
        unknown = set(order) - {"fault", "samples", "seconds", "factor"}
        seconds = float(order.get("seconds", _SECONDS.get(kind, 0.0)))
        samples = int(order.get("samples", max(1, round(seconds * rate_hz))))
        factor = float(order.get("factor", 1.0))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ConfigError(
            f'fault {line!r}: {error!r}: write it like {{"fault": "gap", "samples": 50}}'
        ) from None
    if kind not in _KINDS:
        raise ConfigError(f"fault {kind!r}: there are {', '.join(_KINDS)}")
    if unknown:
        raise ConfigError(
            f"fault {kind}: no {', '.join(sorted(unknown))}: use samples, seconds, factor"
        )
    if samples < 1:
        raise ConfigError(f"fault {kind}: {samples} samples: at least 1")
    if not _FACTOR_MIN <= factor <= _FACTOR_MAX:
        raise ConfigError(
            f"fault {kind}: factor {factor}: must be from {_FACTOR_MIN} to {_FACTOR_MAX}"
        )
    return Fault(kind, 0 if kind in ("rate", "end") else samples, factor)


class Distortions:
    """Does gap, nan, rail and flat to the samples they were ordered for."""

    def __init__(self, rail_uv: float) -> None:
        self._rail_uv = rail_uv
        self._active: list[tuple[str, int, int]] = []  # kind, first sample, one past the last
        self._last: Array | None = None  # last sample sent, shape (channels,)

    def order(self, fault: Fault, first: int) -> None:
        """Do it to `fault.samples` samples from sample number `first` on."""
        self._active.append((fault.kind, first, first + fault.samples))

    def apply(self, emg_uv: Array, first: int) -> tuple[Array, NDArray[np.bool_]]:
        """What becomes of the samples from number `first` on.

        Returns them as they shall be sent, shape (n, channels), and which of them are sent, shape
        (n,). The input is not changed.
        """
        out = emg_uv.copy()
        at = np.arange(first, first + len(out))
        sent = np.ones(len(out), dtype=np.bool_)
        for kind, begin, end in self._active:
            hit = (begin <= at) & (at < end)
            if kind == "gap":
                sent &= ~hit
            elif kind == "nan":
                out[hit] = np.nan
            elif kind == "rail":
                out[hit] = self._rail_uv
            elif hit.any():
                where = int(np.argmax(hit))
                before = out[where - 1] if where else self._last
                out[hit] = out[where] if before is None else before
        self._active = [fault for fault in self._active if fault[2] > first + len(out)]
        if len(out):
            self._last = out[-1].copy()
        return out, sent
