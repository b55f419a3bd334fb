"""One tool's chain, timed: `python -m bench.peers.chains TOOL CHANNELS`. In that tool's environment.

For each number on stdin so many hops are run; on stdout is then a JSON list, what each of them took, microseconds.
The chain keeps its state from one number to the next.

Band-pass, rectify, envelope at 2 kHz, a hop of 1 ms at a time. The exact calls are those of the tools' own docs:
a step takes (samples, channels) microvolts and gives what it makes of them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.peers.receiving import BAND_HZ, ENVELOPE_HZ, ENVELOPE_ORDER, ORDER

RATE_HZ, HOP = 2000.0, 2
WINDOW = 400  # samples, 200 ms: of a tool that filters a window anew each time
WARM_UP = 500
Array = NDArray[np.float64]
Step = Callable[[Array], Any]


def nmesd(channels: int) -> Step:
    """The whole chain as the engine runs it: quality, evidence and decision too."""
    from bench.hop_cost import chain_step  # noqa: PLC0415 - in nmesd's environment alone

    return chain_step(channels, mains_hz=0)


def scipy(channels: int) -> Step:
    """Plain `sosfilt`."""
    from scipy.signal import butter, sosfilt  # noqa: PLC0415

    band = butter(ORDER, BAND_HZ, "bandpass", fs=RATE_HZ, output="sos")
    low = butter(ENVELOPE_ORDER, ENVELOPE_HZ, fs=RATE_HZ, output="sos")
    band_zi, low_zi = (np.zeros((len(sos), 2, channels)) for sos in (band, low))

    def step(hop: Array) -> Any:
        nonlocal band_zi, low_zi
        filtered, band_zi = sosfilt(band, hop, axis=0, zi=band_zi)
        envelope, low_zi = sosfilt(low, np.abs(filtered), axis=0, zi=low_zi)
        return envelope

    return step


def ezmsg_chain() -> Callable[[Any], Any]:
    """Transformers called one after another: takes and gives AxisArrays."""
    from ezmsg.sigproc.butterworthfilter import (  # noqa: PLC0415
        ButterworthFilterSettings,
        ButterworthFilterTransformer,
    )
    from ezmsg.sigproc.math.abs import AbsTransformer  # noqa: PLC0415

    low, high = BAND_HZ
    band = ButterworthFilterTransformer(
        ButterworthFilterSettings(order=ORDER, coef_type="sos", axis="time", cuton=low, cutoff=high)
    )
    rectify = AbsTransformer()
    envelope = ButterworthFilterTransformer(
        ButterworthFilterSettings(order=ENVELOPE_ORDER, coef_type="sos", axis="time", cutoff=ENVELOPE_HZ)
    )  # fmt: skip
    return lambda message: envelope(rectify(band(message)))


def ezmsg(_: int) -> Step:
    """Without the graph's messages."""
    from ezmsg.util.messages.axisarray import AxisArray  # noqa: PLC0415

    chain, axes = ezmsg_chain(), {"time": AxisArray.TimeAxis(fs=RATE_HZ)}
    return lambda hop: chain(AxisArray(hop, dims=["time", "ch"], axes=axes))


def libemg(channels: int) -> Step:
    """Its online filter: the window anew with `filtfilt` at each call, then the mean of it."""
    from libemg.feature_extractor import FeatureExtractor  # noqa: PLC0415
    from libemg.filtering import Filter  # noqa: PLC0415

    filters = Filter(RATE_HZ)
    filters.install_filters({"name": "bandpass", "cutoff": list(BAND_HZ), "order": ORDER})
    features, window = FeatureExtractor(), np.zeros((WINDOW, channels))

    def step(hop: Array) -> Any:
        window[:-HOP] = window[HOP:]
        window[-HOP:] = hop
        return features.extract_features(["MAV"], filters.filter(window).T[None])

    return step


def timeflux(channels: int) -> Step:
    """Its nodes, without its scheduler."""
    import pandas as pd  # noqa: PLC0415
    from timeflux.nodes.apply import ApplyMethod  # noqa: PLC0415
    from timeflux_dsp.nodes.filters import IIRFilter  # noqa: PLC0415

    nodes = (
        IIRFilter(rate=RATE_HZ, frequencies=list(BAND_HZ), order=ORDER),
        ApplyMethod("numpy.absolute", "universal"),
        IIRFilter(rate=RATE_HZ, frequencies=[ENVELOPE_HZ], filter_type="lowpass", order=ENVELOPE_ORDER),
    )  # fmt: skip
    columns = [f"ch{n}" for n in range(channels)]
    index = pd.date_range("2026-01-01", periods=HOP, freq="500us")

    def step(hop: Array) -> Any:
        data = pd.DataFrame(hop, index, columns)
        for node in nodes:
            node.i.data = data
            node.update()
            data = node.o.data
        return data

    return step


TOOLS: Final[dict[str, Callable[[int], Step]]] = {
    "nmesd": nmesd, "scipy": scipy, "ezmsg": ezmsg, "libemg": libemg, "timeflux": timeflux,
}  # fmt: skip


def taken_us(
    step: Step, channels: int, hops: int, size: int = HOP, warm_up: int = WARM_UP
) -> list[float]:
    """Of each hop, after a warm-up."""
    emg_uv = np.random.default_rng(1).normal(0, 10, (warm_up + hops, size, channels))
    times_us = []
    for n, hop in enumerate(emg_uv):
        began_ns = time.perf_counter_ns()
        step(hop)
        if n >= warm_up:
            times_us.append((time.perf_counter_ns() - began_ns) / 1000)
    return times_us


if __name__ == "__main__":
    tool, count = sys.argv[1], int(sys.argv[2])
    made = TOOLS[tool](count)
    gc.disable()
    taken_us(made, count, 0)
    for wanted in sys.stdin:
        print(json.dumps(taken_us(made, count, int(wanted), warm_up=0)), flush=True)
