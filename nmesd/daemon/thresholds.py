"""Thresholds from a recording's rest, through the very chain that will run live."""

from __future__ import annotations

import numpy as np

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from dsp.threshold import rest_threshold
from nmesd.daemon.settings import (
    DaemonSettings,
    FilterSection,
    StreamSection,
    ThresholdSection,
    engine_settings,
)
from nmesd.errors import RecordError
from nmesd.sessions.recording import Recording
from nmesd.units import NV_PER_UV


def from_rest(
    recording: Recording, rest_s: float, band: FilterSection, channel: int = 0
) -> tuple[float, float]:
    """(on_uv, off_uv) from the first `rest_s` seconds of a channel. Raises RecordError if they are too few."""
    labels = recording.labels
    settings = DaemonSettings(
        stream=StreamSection(
            name="rest", rate_hz=recording.fs_hz, labels=labels, muscle=labels[channel]
        ),
        filter=band,
        threshold=ThresholdSection(on_uv=1, off_uv=1),
    )
    coefficients = ChainCoefficients.from_dict(engine_settings(settings).chain)
    chain = Chain(coefficients, 1)
    rest = recording.emg_uv[: int(rest_s * recording.fs_hz), channel : channel + 1]
    values = [
        chain.run(hop, (1,), (1,)) for hop in HopCutter(coefficients.hop_samples, 1).cut(rest)
    ]
    try:
        found = rest_threshold(
            np.array([value.envelope_nv[0] for value in values if not value.flags])
        )
    except ValueError as error:
        raise RecordError(f"{recording.name}: {rest_s:g} s of rest: {error}") from None
    return found.on_nv / NV_PER_UV, found.off_nv / NV_PER_UV
