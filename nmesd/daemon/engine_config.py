"""From the operator's files to what the engine decides with: filters designed, thresholds in nanovolts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dsp.coefficients import ChainCoefficients
from nmesd.core.values import CoreSettings, Kind, Muscle, OutputSettings
from nmesd.daemon.files import Files, read_files
from nmesd.daemon.levels import checked_amplitude_ma
from nmesd.daemon.patient import MuscleSection
from nmesd.daemon.settings import LslSection, StreamSection
from nmesd.daemon.thresholds import Thresholds, coefficients_of, thresholds
from nmesd.engine.settings import EngineSettings, StreamSpec
from nmesd.errors import ConfigError
from nmesd.units import MHZ_PER_HZ, NS_PER_MS, NV_PER_UV, UA_PER_MA

Tell = Callable[[bytes], None]  # settings
TICK_MHZ = 1_000_000  # where no EMG is heard: a step each millisecond


def lsl_config(section: LslSection) -> str:
    """The text of an lsl_api.cfg, so that no stray file of that name decides where EMG comes from."""
    peers = section.known_peers
    address = section.listen_address
    tuning: list[str] = []
    if section.scope == "machine":
        # liblsl 1.17 finds only one of several local outlets unless each is asked at its own port.
        peers, address = (*peers, "127.0.0.1"), "127.0.0.1"
        # That asking comes so many seconds after the other: on one machine nobody needs the half that is usual.
        tuning = ["[tuning]", "MulticastMinRTT = 0.1"]
    lines = ["[ports]", "IPv6 = disable", "[multicast]", f"ResolveScope = {section.scope}"]
    if address:
        lines.append(f"ListenAddress = {address}")
    lines += ["[lab]", f"KnownPeers = {{{', '.join(peers)}}}", f"SessionID = {section.session_id}"]
    return "\n".join([*lines, *tuning, "[log]", "level = -1", ""])


def _nobody(_: bytes) -> None:
    pass


def engine_settings(files: Files, ahead: Tell = _nobody) -> EngineSettings:
    """What the engine decides with. Designs the filters. Raises ConfigError.

    ahead: told before that what to listen for.
    """
    settings, programme = files.settings, files.programme
    core = CoreSettings(TICK_MHZ, 1, (), programme.programme())
    told = EngineSettings(
        stream=None,
        chain=None,
        core=core,
        lease_ns=settings.guard.lease_ms * NS_PER_MS,
        guard_socket=settings.guard.socket,
        lsl_config=lsl_config(settings.lsl),
    )
    if not programme.hears_emg:
        return replace(told, core=core._replace(muscles=_unheard(files)))
    if settings.stream is None:
        raise ConfigError(f"programme {files.name!r} hears EMG: nmesd.toml needs a [stream]")
    columns = _columns(files)
    _known(columns, settings.stream)
    told = replace(told, stream=stream_spec(settings.stream, columns))
    ahead(told.to_json())
    found = [_found(files, muscle, settings.stream) for muscle in files.patient.muscle]
    chain = _chain(files, settings.stream, columns, found)
    muscles = tuple(
        _heard(files, muscle, columns, one)
        for muscle, one in zip(files.patient.muscle, found, strict=True)
    )
    core = CoreSettings(chain.rate_mhz, chain.hop_samples, muscles, core.programme)
    return replace(told, chain=chain.to_dict(), core=core)


def stream_spec(stream: StreamSection, columns: tuple[str, ...]) -> StreamSpec:
    """What the engine listens for."""
    return StreamSpec(
        name=stream.name,
        type=stream.type,
        source_id=stream.source_id,
        host=stream.host,
        rate_mhz=round(stream.rate_hz * MHZ_PER_HZ),
        labels=stream.labels,
        columns=columns,
        speed=stream.speed,
    )


def _decided_on(files: Files, muscle: MuscleSection) -> str:
    """The label whose EMG decides: the muscle's, or in a relaxation its antagonist's. Raises ConfigError."""
    if files.programme.trial.who == "muscle":
        return muscle.label
    if not muscle.antagonist:
        raise ConfigError(
            f"programme {files.name!r} relaxes the antagonist, and muscle {muscle.label!r} has none: give one"
        )
    return muscle.antagonist


def _columns(files: Files) -> tuple[str, ...]:
    """Labels of all EMG that is decided on: first those of the muscles, then of antagonists alone."""
    muscles = [_decided_on(files, muscle) for muscle in files.patient.muscle]
    others = [muscle.antagonist for muscle in files.patient.muscle if muscle.antagonist]
    return tuple(dict.fromkeys([*muscles, *others]))


def _known(columns: tuple[str, ...], stream: StreamSection) -> None:
    for label in columns:
        if stream.labels.count(label) != 1:
            raise ConfigError(
                f"{label!r} of patient.toml must be one of labels of [stream]: {list(stream.labels)}"
            )


def _found(files: Files, muscle: MuscleSection, stream: StreamSection) -> Thresholds:
    """Of whatever is decided on."""
    if _decided_on(files, muscle) == muscle.label:
        return thresholds(muscle, stream.rate_hz, files.settings.filter, files.folder)
    veto_uv = muscle.veto_uv or 0.0  # given with an antagonist: validated
    return Thresholds(veto_uv, veto_uv)


def _chain(
    files: Files, stream: StreamSection, columns: tuple[str, ...], found: list[Thresholds]
) -> ChainCoefficients:
    """One for all columns; each with the ratios that its own rest asks for."""
    coefficients = coefficients_of(stream.rate_hz, stream.rail_uv, files.settings.filter)
    if not coefficients.cusum:
        return coefficients
    rows = {label: tuple(speed[0] for speed in coefficients.cusum) for label in columns}
    for muscle, one in zip(files.patient.muscle, found, strict=True):
        if one.ratios and _decided_on(files, muscle) == muscle.label:
            rows[muscle.label] = one.ratios
    return replace(coefficients, channel_ratios=tuple(rows.values()))


def _heard(
    files: Files, muscle: MuscleSection, columns: tuple[str, ...], found: Thresholds
) -> Muscle:
    label = _decided_on(files, muscle)
    on_nv, off_nv = (round(uv * NV_PER_UV) for uv in (found.on_uv, found.off_uv))
    if label != muscle.label:
        return Muscle(columns.index(label), on_nv, off_nv, on_nv, on_nv, ())
    floor_uv, ceiling_uv = found.bounds_uv or (found.on_uv, found.on_uv)
    adapts = files.programme.adapt is not None
    if adapts and found.bounds_uv is None:
        raise ConfigError(
            f"programme {files.name!r} moves the threshold, and muscle {muscle.label!r} has no bounds for it: "
            "calibrate with efforts, or give floor_uv and ceiling_uv"
        )
    return Muscle(
        emg=columns.index(label),
        on_nv=on_nv,
        off_nv=off_nv,
        floor_nv=round(floor_uv * NV_PER_UV),
        ceiling_nv=round(ceiling_uv * NV_PER_UV),
        outputs=_outputs(files, muscle),
        antagonist=columns.index(muscle.antagonist) if muscle.antagonist else -1,
        veto_nv=round((muscle.veto_uv or 0.0) * NV_PER_UV),
    )


def _unheard(files: Files) -> tuple[Muscle, ...]:
    """Muscles whose EMG is not decided on. In STEPS each output is one of its own."""
    muscles = [Muscle(0, 0, 0, 0, 0, _outputs(files, muscle)) for muscle in files.patient.muscle]
    if files.programme.programme().kind is not Kind.STEPS:
        return tuple(muscles)
    return tuple(
        muscle._replace(outputs=(output._replace(amplitude_ua=0),))
        for muscle in muscles
        for output in muscle.outputs
    )


def _outputs(files: Files, muscle: MuscleSection) -> tuple[OutputSettings, ...]:
    programme = files.programme
    if not programme.gives_current:
        return ()
    if not muscle.output:
        raise ConfigError(
            f"programme {files.name!r} gives current, and muscle {muscle.label!r} has no output: give "
            "[[muscle.output]]"
        )
    return tuple(
        OutputSettings(
            output.channel - 1,
            round(checked_amplitude_ma(output, files.folder) * UA_PER_MA),
            programme.train.pulse_width_us,
        )
        for output in muscle.output
    )


class Config(NamedTuple):
    """The files as they were read at one moment, and what the engine gets of them."""

    files: Files
    engine: bytes


def load(path: Path, programme: str = "", ahead: Tell = _nobody) -> Config:
    """Read and check nmesd.toml and the files it names; `programme` instead of its own. Raises ConfigError.

    ahead: see `engine_settings`.
    """
    files = read_files(path, programme)
    return Config(files, engine_settings(files, ahead).to_json())
