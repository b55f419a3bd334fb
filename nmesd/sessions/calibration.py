"""The file of one calibration: one muscle of one person on one day. patient.toml names it at the muscle."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp.calibration import Calibration
from nmesd.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFile:
    """What stands in it."""

    made: str
    """Date and time, ISO 8601."""
    muscle: str
    rate_hz: float
    chain: Mapping[str, Any]
    """The settings of filters and detector it was made with: it holds for no others."""
    calibration: Calibration

    def to_toml(self) -> str:
        """The file's text: for people first."""
        found = self.calibration
        levels = [f"{uv:.4g}" for uv in found.critical_uv]
        rows = [", ".join(levels[i : i + 10]) for i in range(0, len(levels), 10)]
        return "\n".join([
            "# nmesd calibrate wrote this. It holds for one muscle, one placement of the electrodes, one day.",
            f"made = {json.dumps(self.made)}",
            f"muscle = {json.dumps(self.muscle, ensure_ascii=False)}",
            f"rate_hz = {self.rate_hz:g}",
            "",
            "[chain]   # it holds for these settings of [filter] alone",
            *(f"{key} = {json.dumps(value)}" for key, value in self.chain.items()),
            "",
            "[calibration]",
            f"mvc_uv = {found.mvc_uv:.6g}   # strongest half second of the efforts, µV r.m.s.; 0: none made",
            f"relaxed_uv = {found.relaxed_uv:.6g}      # the envelope of rest stays below",
            f"ratios = {list(found.ratios)}   # of each CUSUM's threshold to the on threshold",
            f"block_s = {found.block_s:g}",
            "critical_uv = [   # of each half second of rest: the highest threshold at which it would have fired",
            *(f"    {row}," for row in rows),
            "]",
            "",
        ])  # fmt: skip


def read_calibration(path: Path) -> CalibrationFile:
    """Read one. Raises ConfigError that names the file and what is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return CalibrationFile(
            made=str(data["made"]),
            muscle=str(data["muscle"]),
            rate_hz=float(data["rate_hz"]),
            chain=dict(data["chain"]),
            calibration=Calibration.from_dict(data["calibration"]),
        )
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}: name a file of `nmesd calibrate`"
        ) from None
    except KeyError as error:
        raise ConfigError(f"{path}: no {error.args[0]}: calibrate again") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a calibration: {error}: calibrate again") from None
