"""The chain in ezmsg's own processors: Butterworth sections, absolute value, Butterworth sections; state kept.

`Chained` is how its documentation joins processors without a message between them.
"""

from __future__ import annotations

from typing import Any

import ezmsg.core as ez
import numpy as np
from ezmsg.baseproc import CompositeProcessor
from ezmsg.sigproc.butterworthfilter import ButterworthFilterSettings, ButterworthFilterTransformer
from ezmsg.sigproc.math.abs import AbsTransformer
from ezmsg.util.messages.axisarray import AxisArray

from bench.peers import task


class ChainSettings(ez.Settings):  # type: ignore[misc]
    """What the chain is made for."""

    rate_hz: float


def processors(rate_hz: float) -> dict[str, Any]:
    """In order."""
    high = task.BAND_HZ[1] if task.BAND_HZ[1] < 0.45 * rate_hz else None
    band = ButterworthFilterSettings(
        order=task.BAND_ORDER, coef_type="sos", cuton=task.BAND_HZ[0], cutoff=high
    )
    lowpass = ButterworthFilterSettings(
        order=task.ENVELOPE_ORDER, coef_type="sos", cutoff=task.ENVELOPE_HZ
    )
    return {
        "band": ButterworthFilterTransformer(band),
        "rectify": AbsTransformer(),
        "envelope": ButterworthFilterTransformer(lowpass),
    }


class Chained(CompositeProcessor[ChainSettings, AxisArray, AxisArray]):  # type: ignore[misc]
    """All of it as one processor."""

    @staticmethod
    def _initialize_processors(settings: ChainSettings) -> dict[str, Any]:
        return processors(settings.rate_hz)


def message(samples: task.Array, rate_hz: float, axis: Any) -> AxisArray:
    """(samples, channels) as its inlet gives them. axis: of the channels, made once as there."""
    axes = {"time": AxisArray.TimeAxis(fs=rate_hz), "ch": axis}
    return AxisArray(data=samples, dims=["time", "ch"], axes=axes, key="emg", stream_dim="time")


def channel_axis(channels: int) -> Any:
    """For `message`."""
    names = np.array([str(number) for number in range(1, channels + 1)])
    return AxisArray.CoordinateAxis(data=names, dims=["ch"])
