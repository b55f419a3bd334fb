"""The file of `nmesd amplitude`: what one stimulator channel comes to on one person, in milliamperes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from nmesd.daemon.patient import OutputSection
from nmesd.daemon.toml import Section, parse
from nmesd.errors import ConfigError
from nmesd.toml import read_text

Milliamperes = Annotated[float, Field(gt=0, le=130)]


class LevelsFile(Section):
    """What was found. Comfort may end before the muscle moves, but nothing does before it is felt."""

    made: str
    operator: str
    patient: str
    muscle: str
    channel: int
    pulse_width_us: int
    rate_hz: float
    sensory_ma: Milliamperes | None = None
    motor_ma: Milliamperes | None = None
    comfort_ma: Milliamperes | None = None

    @model_validator(mode="after")
    def _felt_first(self) -> Self:
        others = [ma for ma in (self.motor_ma, self.comfort_ma) if ma is not None]
        if self.sensory_ma is not None and any(ma < self.sensory_ma for ma in others):
            raise ValueError(f"motor or comfort level is below sensory_ma = {self.sensory_ma:g}")
        return self


def checked_amplitude_ma(output: OutputSection, folder: Path) -> float:
    """The amplitude of patient.toml, within the comfort level that was found. Raises ConfigError."""
    if output.levels:
        path = folder / output.levels
        found = parse(path, read_text(path), LevelsFile)
        if found.channel != output.channel:
            raise ConfigError(f"{path}: is of channel {found.channel}, not {output.channel}")
        if found.comfort_ma is not None and output.amplitude_ma > found.comfort_ma:
            raise ConfigError(
                f"amplitude_ma = {output.amplitude_ma:g} on channel {output.channel} is over the comfort level of "
                f"{found.comfort_ma:g} mA in {path}: lower it, or find the levels anew"
            )
    return output.amplitude_ma
