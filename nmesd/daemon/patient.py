"""patient.toml, the file of one person: muscles, thresholds, and the only place where an amplitude stands."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from dsp.calibration import Unit
from dsp.critical import MOST_RATIO
from nmesd.daemon.toml import Section
from nmesd.wire import CHANNELS


class ThresholdSection(Section):
    """When EMG is an attempt: one of the first four, in the unit its operator thinks in."""

    on_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    on_scales: Annotated[float, Field(ge=0, le=100)] | None = None
    on_percent_mvc: Annotated[float, Field(gt=0, le=90)] | None = None
    false_per_min: Annotated[float, Field(ge=0.01, le=10)] | None = None
    calibration: str = ""  # file of `nmesd calibrate`
    off_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    fast_ratio: Annotated[float, Field(ge=1, le=MOST_RATIO)] | None = None

    @property
    def wanted(self) -> tuple[Unit, float] | None:
        """The one that is given; None for a muscle whose EMG is not decided on."""
        return next(((unit, value) for unit, value in self._units() if value is not None), None)

    def _units(self) -> tuple[tuple[Unit, float | None], ...]:
        return (
            ("uv", self.on_uv),
            ("scales", self.on_scales),
            ("percent_mvc", self.on_percent_mvc),
            ("false_per_min", self.false_per_min),
        )

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        given = sum(value is not None for _, value in self._units())
        if given > 1 or (not given and (self.calibration or self.off_uv is not None)):
            raise ValueError(
                f"{given} of on_uv, on_scales, on_percent_mvc, false_per_min are given, must be one"
            )
        if given and not self.calibration and (self.on_uv is None or self.off_uv is None):
            raise ValueError(
                "needs calibration = the file of `nmesd calibrate`, or both on_uv and off_uv"
            )
        if self.fast_ratio is not None and self.calibration:
            raise ValueError(
                f"fast_ratio = {self.fast_ratio}: a calibration finds its own: leave it out"
            )
        if self.on_uv is not None and self.off_uv is not None and self.off_uv > self.on_uv:
            raise ValueError(f"off_uv = {self.off_uv} µV must not be over on_uv = {self.on_uv} µV")
        return self


class OutputSection(Section):
    """One stimulator channel on the muscle. Ranges: device limits, see docs/safety.md."""

    channel: Annotated[int, Field(ge=1, le=CHANNELS)]
    amplitude_ma: Annotated[float, Field(ge=0, le=130)] = 0
    levels: str = ""  # file of `nmesd amplitude`; amplitude_ma may not be over its comfort level


class MuscleSection(ThresholdSection):
    """One muscle."""

    label: Annotated[str, Field(min_length=1)]
    antagonist: str = ""
    veto_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    floor_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    ceiling_uv: Annotated[float, Field(gt=0, le=10_000)] | None = None
    output: Annotated[tuple[OutputSection, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _antagonist(self) -> Self:
        if bool(self.antagonist) != (self.veto_uv is not None):
            raise ValueError("antagonist and veto_uv belong together: give both or neither")
        if self.antagonist == self.label:
            raise ValueError(f"antagonist = {self.antagonist!r} is the muscle itself")
        return self


class PatientFile(Section):
    """The whole file."""

    code: Annotated[str, Field(min_length=1, max_length=40)]
    muscle: Annotated[tuple[MuscleSection, ...], Field(strict=False)]

    @field_validator("code")
    @classmethod
    def _no_name(cls, code: str) -> str:
        """A record may leave the house: whose it is stands in the clinic's own list, and nowhere here."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", code):
            raise ValueError(f"code = {code!r}: a code of letters, digits, - and _, and not a name")
        if not any(map(str.isdigit, code)) and re.search(r"(^|[_-])[A-Z][a-z]+", code):
            raise ValueError(
                f"code = {code!r} looks like a name: a capital and small letters, and no digit; give a code, "
                "as P07, and keep elsewhere whose it is"
            )
        return code

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if not self.muscle:
            raise ValueError("there is no muscle: give [[muscle]]")
        labels = [muscle.label for muscle in self.muscle]
        channels = [output.channel for muscle in self.muscle for output in muscle.output]
        for what, values in (("label", labels), ("channel", [str(c) for c in channels])):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} stands more than once")
        return self
