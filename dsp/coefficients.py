"""The numbers a chain runs on: designed once, recorded, and enough to replay a session.

Nothing here needs scipy. A replay years later runs on the recorded numbers, not on whatever the
scipy of that day would design. JSON keeps them bit for bit: Python writes the shortest decimal that
reads back as the same float64 (`repr`, Python tutorial, chapter 15).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass
from typing import Any, Final, Self

Section = tuple[float, ...]
"""One second-order section as scipy orders it: b0, b1, b2, a0 = 1, a1, a2."""

_SECTION_LENGTH: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCoefficients:
    """A designed chain. Exactly one of `envelope_sos` and `rms_hops` says how the envelope is made.

    Raises:
        ValueError: a count or the rail is out of range, a section is not six finite numbers with
            a0 = 1, or both or neither of the two envelopes are given.
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
        sections = {name: _sections(fields[name]) for name in ("filter_sos", "envelope_sos")}
        return cls(**{**fields, **sections})


_LEAST: Final = {
    "rate_mhz": 1,
    "hop_samples": 1,
    "rms_hops": 0,
    "min_hops": 1,
    "settle_hops": 1,
    "flat_hops": 0,
}


def _sections(rows: Iterable[Iterable[float]]) -> tuple[Section, ...]:
    return tuple(tuple(float(value) for value in row) for row in rows)
