"""The numbers a chain runs on: designed once, recorded, and enough to replay a session.

Nothing here needs scipy. A replay years later runs on the recorded numbers, not on whatever the
scipy of that day would design. JSON keeps them bit for bit: Python writes the shortest decimal that
reads back as the same float64 (`repr`, Python tutorial, chapter 15).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, replace
from typing import Any, Final, Self

Section = tuple[float, ...]
"""One second-order section as scipy orders it: b0, b1, b2, a0 = 1, a1, a2."""

Speed = tuple[float, ...]
"""One speed of `dsp.cusum`: ratio to the on threshold, evidence and memory in hops."""

_SECTION_LENGTH: Final = 6
_SPEED_LENGTH: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCoefficients:
    """A designed chain. Exactly one of `envelope_sos` and `rms_hops` says how the envelope is made.

    Raises:
        ValueError: a count or the rail is out of range, a section is not six finite numbers with
            a0 = 1, a speed is not three numbers above 0 with a memory longer than its evidence, or
            both or neither of the two envelopes are given.
    """

    rate_mhz: int
    """Sampling rate in millihertz."""
    hop_samples: int
    """Samples in a hop, at least 1."""
    filter_sos: tuple[Section, ...]
    """High-pass, low-pass and notches, in the order they run."""
    envelope_sos: tuple[Section, ...]
    """The envelope's low-pass; empty when the envelope is a moving r.m.s."""
    rms_hops: int
    """Hops in the moving r.m.s. window; 0 when the envelope is a low-pass."""
    min_hops: int
    """Hops an onset must last to be an attempt, at least 1."""
    settle_hops: int
    """Hops after a restart during which nothing is detected, at least 1."""
    # From here on with the value that means "not watched", as it was before there was the field: a
    # record from then replays as it was.
    rail_uv: float = 0.0
    """Full scale of the amplifier, microvolts; 0: unknown, not watched."""
    flat_hops: int = 0
    """Hops of the very same value that make a channel flat; 0: not watched."""
    watch_hops: int = 0
    """Hops for which a disturbance is told after it was last seen; 0: none is watched for."""
    cusum: tuple[Speed, ...] = ()
    """Speeds of the CUSUM that decides; empty: the envelope does (`dsp.detector`)."""
    channel_ratios: tuple[tuple[float, ...], ...] = ()
    """Of each channel, the ratios of the speeds, where its rest found other ones; empty: as in `cusum`."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} is {value}, must be at least {least}")
        if not 0 <= self.rail_uv < math.inf:
            raise ValueError(f"rail_uv is {self.rail_uv}, must be finite and at least 0")
        if bool(self.envelope_sos) == bool(self.rms_hops):
            raise ValueError(
                f"envelope_sos has {len(self.envelope_sos)} sections, rms_hops is {self.rms_hops}: "
                "give one of the two, and the other empty or 0"
            )
        for section in self.filter_sos + self.envelope_sos:
            finite = all(map(math.isfinite, section))
            if len(section) != _SECTION_LENGTH or section[3] != 1 or not finite:
                raise ValueError(f"section {section} must be finite: b0, b1, b2, 1, a1, a2")
        _check_speeds(self.cusum, self.channel_ratios)

    def with_ratios(self, ratios: Iterable[float]) -> Self:
        """The same with these ratios of the CUSUM's speeds. Raises ValueError if they are not as many."""
        speeds = zip(ratios, self.cusum, strict=True)
        return replace(self, cusum=tuple((ratio, *rest) for ratio, (_, *rest) in speeds))

    def to_dict(self) -> dict[str, Any]:
        """Give the fields by name, as `json.dumps` takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Invert `to_dict`, also after JSON has turned the tuples into lists.

        Raises:
            ValueError: as the class does, and when a field is missing that has no default, or is
                unknown.
        """
        known = cls.__dataclass_fields__
        names = {name for name, field in known.items() if field.default is MISSING}
        if not names <= fields.keys() <= known.keys():
            odd = sorted((names - fields.keys()) | (fields.keys() - known.keys()))
            raise ValueError(f"chain coefficients: {odd} missing or unknown, want {sorted(names)}")
        rows = {
            name: _rows(fields[name])
            for name in ("filter_sos", "envelope_sos", "cusum", "channel_ratios")
            if name in fields
        }
        return cls(**{**fields, **rows})


_LEAST: Final = {
    "rate_mhz": 1,
    "hop_samples": 1,
    "rms_hops": 0,
    "min_hops": 1,
    "settle_hops": 1,
    "flat_hops": 0,
    "watch_hops": 0,
}


def _check_speeds(speeds: tuple[Speed, ...], channel_ratios: tuple[tuple[float, ...], ...]) -> None:
    for speed in speeds:
        if len(speed) != _SPEED_LENGTH or not (
            0 < speed[0] < math.inf and 0 < speed[1] < speed[2] < math.inf
        ):
            raise ValueError(
                f"speed {speed} must be a ratio, evidence and a longer memory in hops, all above 0"
            )

    for ratios in channel_ratios:
        if len(ratios) != len(speeds) or not all(0 < ratio < math.inf for ratio in ratios):
            raise ValueError(
                f"channel_ratios has {ratios}, must be {len(speeds)} finite numbers above 0"
            )


def _rows(rows: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in rows)
