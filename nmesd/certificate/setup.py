"""What a certificate is made with: the unit's own files, but for whose muscle it is and what programme it follows.

As the unit has them: stream (rate, channels, labels, type), filters, muscles with their thresholds, lease, and of
guard.toml the stimulator's settings and every limit that judges a single output. Those of rest, duty, trains, dose
and session are as wide as the guard allows: this is a bench, and no person.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nmesd.certificate.person import person
from nmesd.commissioning import Unit, read_unit, refusals
from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.files import Files, read_files
from nmesd.drivers import driver_from_config
from nmesd.errors import ConfigError
from nmesd.guard.limits import RULES
from nmesd.sim.rig import PERMISSIVE
from nmesd.sim.session_files import files_of
from nmesd.sim.spec import PatientSpec
from nmesd.units import NS_PER_S, UA_PER_MA

STREAM: Final = "certificate"
SERVICE_NICE: Final = -5  # of systemd/nmesd.service
OF_PERSONS: Final = ("rest_s", "duty_percent", "trains_per_min", "dose_mc", "session_min")
DRIVERS: Final = {"sim": "sim", "p24": "sciencemode4", "rehastim2": "sciencemode2"}
NO_CURRENT: Final = ("sim", "null")  # drivers with no device behind them
# Long enough for an engine to be frozen in the middle; as short otherwise as lets many fit into a minute.
RAMP_S, PLATEAU_S, HOLD_OFF_S, RELAX_S = 0.2, 1.0, 0.3, 0.3
TRAIN_S: Final = 2 * RAMP_S + PLATEAU_S
AMPLITUDE_MA: Final = 5.0  # where nobody feels it and the patient's file has none
_OWN: Final = (
    "driver",
    "port",
    "level",
    "channels",
    "model",
    "parity",
)  # keys that are not handed on


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One unit, read and checked."""

    files: Files
    guard_path: Path
    guard: Unit
    device: str  # sim, p24, rehastim2 or real
    spec: PatientSpec
    sections: dict[str, dict[str, Any]]  # for the rig: nmesd.toml, patient, programme
    rig: dict[str, Any]  # what else the rig takes
    amplitude_ma: float

    @property
    def lease_ms(self) -> int:
        """How long one permission to stimulate lasts."""
        return self.files.settings.guard.lease_ms

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all channels, in the stream's order."""
        stream = self.files.settings.stream
        return stream.labels if stream else ()


def read_setup(config: Path, guard_config: Path, device: str) -> Setup:
    """Read the unit's files. Raises ConfigError with what is wrong, or would not be given."""
    files, guard = read_files(config), read_unit(guard_config)
    if files.settings.stream is None:
        raise ConfigError(
            f"{config}: the certificate measures from EMG sample to stimulator: nmesd.toml needs a [stream]"
        )
    text = tomllib.loads(guard_config.read_text())
    stimulator = _stimulator(guard, device)
    gate = text.get("gate") if device == "real" else None
    driver = driver_from_config({**stimulator, "channels": [1]}, gate)
    amplitude_ma = _amplitude_ma(files, driver.capabilities, device)
    spec, thresholds = person(files)
    sections = {
        "stream": {
            **files.settings.stream.model_dump(mode="json", exclude={"host", "speed"}),
            "name": STREAM,
            "source_id": STREAM,
        },
        "filter": files.settings.filter.model_dump(mode="json"),
        "guard": {"lease_ms": files.settings.guard.lease_ms},
        "patient": _patient(files, thresholds, amplitude_ma, text["stimulator"]["channels"]),
        "programme": _programme(files, amplitude_ma, guard),
    }
    given = text.get("limits", {})
    limits = {
        rule.key: given.get(rule.key, rule.default) for rule in RULES if rule.key not in OF_PERSONS
    }
    rest_ns = round(PERMISSIVE["rest_s"] * NS_PER_S)
    judge = guard.config._replace(
        driver=driver, limits=guard.config.limits._replace(rest_ns=rest_ns)
    )
    if refused := refusals(engine_settings(files_of(sections)).core, judge):
        raise ConfigError("\n".join(f"{guard_config}: {one}" for one in refused))
    return Setup(
        files=files,
        guard_path=guard_config,
        guard=guard,
        device=device,
        spec=spec,
        sections=sections,
        amplitude_ma=amplitude_ma,
        rig={
            "limits": limits,
            "driver": stimulator["driver"],
            "options": {k: v for k, v in stimulator.items() if k not in ("driver", "port", "level")},
            "channels": text["stimulator"]["channels"],
            "area_cm2": text["electrodes"]["area_cm2"],
            "port": stimulator["port"] if device == "real" else "",
            "gate": gate,
            "daemon_nice": SERVICE_NICE,
        },
    )  # fmt: skip


def _stimulator(guard: Unit, device: str) -> dict[str, Any]:
    """[stimulator] for this device, with the unit's own settings where it is of the unit's kind."""
    own = guard.stimulator
    if device == "real":
        if own["driver"] in NO_CURRENT:
            raise ConfigError(
                f'[stimulator] driver = "{own["driver"]}": there is no real device: --device sim, p24 or rehastim2'
            )
        if guard.level != "full":
            raise ConfigError(
                f'[stimulator] level = "{guard.level}": nothing would be given: "full", and a dummy load'
            )
        return {key: value for key, value in own.items() if key != "channels"}
    if device not in DRIVERS:
        raise ConfigError(f"--device {device!r}: must be {', '.join(DRIVERS)} or real")
    driver = DRIVERS[device]
    same = own if own["driver"] == driver else {}
    options = {key: value for key, value in same.items() if key not in _OWN}
    return {**options, "driver": driver, "port": "emulated", "level": "full"}


def _amplitude_ma(files: Files, device: Any, which: str) -> float:
    """Real current: the least there is. Else the patient's, as near as the device can."""
    least_ua, step_ua = device.amplitude_least_ua, device.amplitude_step_ua
    if which == "real":
        return float(least_ua / UA_PER_MA)
    outputs = [one for muscle in files.patient.muscle for one in muscle.output]
    wanted_ma = next((one.amplitude_ma for one in outputs if one.amplitude_ma), AMPLITUDE_MA)
    steps = max(0, round((wanted_ma * UA_PER_MA - least_ua) / step_ua))
    return float((least_ua + steps * step_ua) / UA_PER_MA)


def _patient(
    files: Files, thresholds: Mapping[str, Any], amplitude_ma: float, channels: list[int]
) -> dict[str, Any]:
    """patient.toml: the unit's muscles, their thresholds in microvolts."""
    muscles = []
    bare = not any(muscle.output for muscle in files.patient.muscle)
    for number, muscle in enumerate(files.patient.muscle):
        used = [one.channel for one in muscle.output]
        used = channels[:1] if bare and number == 0 else used
        veto = {"antagonist": muscle.antagonist, "veto_uv": muscle.veto_uv}
        muscles.append({
            "label": muscle.label,
            **thresholds[muscle.label].section,
            **(veto if muscle.antagonist else {}),
            "output": [{"channel": channel, "amplitude_ma": amplitude_ma} for channel in used],
        })  # fmt: skip
    return {"code": "certificate", "muscle": muscles}


def _programme(files: Files, amplitude_ma: float, guard: Unit) -> dict[str, Any]:
    """Every attempt is answered with a short train, of the rate and width the unit gives."""
    unit, limits = files.programme, guard.config.limits
    pulses = (
        unit.train.model_dump(include={"rate_hz", "pulse_width_us"}) if unit.gives_current else {}
    )
    slowest_s = amplitude_ma * UA_PER_MA / limits.rise_ua_s
    return {
        "purpose": "latency certificate", "kind": "triggered",
        "train": {
            **pulses, "ramp_up_s": max(RAMP_S, round(slowest_s, 3)), "plateau_s": PLATEAU_S,
            "ramp_down_s": RAMP_S, "hold_off_s": HOLD_OFF_S,
        },
        "trial": {"relax_s": RELAX_S}, "session": {"minutes": 120},
    }  # fmt: skip
