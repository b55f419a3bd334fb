"""What one hop costs: `dsp.chain.Chain` beside the same filters as plain `sosfilt` calls, in the same run.

    python bench/hop_cost.py [--hops 20000]

2 kHz, hops of 1 ms. The plain chain is what one would write first: band-pass, each notch, abs and
low-pass, one `scipy.signal.sosfilt` call each, carrying `zi`. It does less than `Chain`, which also
watches the signal's quality, gathers evidence and decides. Every fifth second of the EMG is an attempt.
Means leave out the slowest 1 % of either kind, which are the machine's; what the chain does seldom stays in.
"""

from __future__ import annotations

import argparse
import gc
import os

# One thread, as the daemon does for the engine; read when numpy is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from dsp.chain import Chain
from dsp.design import ChainSpec, design

Array = NDArray[np.float64]

SPEC = ChainSpec(rate_mhz=2_000_000, mains_hz=50)
BAND_SECTIONS = 4  # high-pass and low-pass of order 4
CHANNELS = (1, 8, 32, 64)
BLOCK = 500  # hops of one kind before it is the other's turn: both see the same machine


def chain_step(
    channels: int, *, mains_hz: int = 50, rate_hz: float = 2000
) -> Callable[[Array], Any]:
    """The chain as the engine runs it."""
    spec = replace(SPEC, mains_hz=mains_hz, rate_mhz=round(rate_hz * 1000))
    chain = Chain(design(spec), channels)
    on_nv, off_nv = (20_000,) * channels, (10_000,) * channels
    return lambda hop: chain.run(hop, on_nv, off_nv)


def plain_step(channels: int) -> Callable[[Array], Any]:
    """The same filters, one `sosfilt` call each."""
    coefficients = design(SPEC)
    sos = np.array(coefficients.filter_sos)
    stages = [sos[:BAND_SECTIONS], *(notch[None] for notch in sos[BAND_SECTIONS:])]
    lowpass = np.array(coefficients.envelope_sos)
    zi = [np.zeros((len(stage), 2, channels)) for stage in [*stages, lowpass]]

    def step(hop: Array) -> Array:
        for n, stage in enumerate(stages):
            hop, zi[n] = sosfilt(stage, hop, axis=0, zi=zi[n])
        envelope, zi[-1] = sosfilt(lowpass, np.abs(hop), axis=0, zi=zi[-1])
        return np.asarray(envelope[-1])

    return step


def costs_us(channels: int, hops: int) -> list[Array]:
    """Microseconds per hop, of the chain and of the plain one."""
    emg_uv = np.random.default_rng(1).normal(0, 10, (hops, SPEC.hop_samples, channels))
    emg_uv[np.arange(hops) // 1000 % 5 == 4] *= 10
    steps = (chain_step(channels), plain_step(channels))
    taken_ns = [np.zeros(hops), np.zeros(hops)]
    for step in steps:
        for hop in emg_uv[:BLOCK]:
            step(hop)
    for first in range(0, hops, BLOCK):
        for step, taken in zip(steps, taken_ns, strict=True):
            for n in range(first, min(first + BLOCK, hops)):
                hop = emg_uv[n]
                began_ns = time.perf_counter_ns()
                step(hop)
                taken[n] = time.perf_counter_ns() - began_ns
    return [taken / 1000 for taken in taken_ns]


def trimmed(taken_us: Sequence[float] | Array) -> float:
    """The mean without the slowest 1 %, which is the machine's."""
    taken = np.asarray(taken_us)
    return float(taken[taken <= np.percentile(taken, 99)].mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--hops", type=int, default=20_000, help="hops of each kind")
    hops = parser.parse_args().hops
    gc.disable()  # as in the engine
    load = os.getloadavg()[0]
    print(f"µs per hop of 1 ms at 2 kHz, {hops} hops each; load average {load:.1f}\n")
    print("| channels | Chain mean | p99 | sosfilt mean | p99 | ratio of means |")
    print("|--:|--:|--:|--:|--:|--:|")
    for channels in CHANNELS:
        own, plain = costs_us(channels, hops)
        (own_99, plain_99) = (float(np.percentile(taken, 99)) for taken in (own, plain))
        own_mean, plain_mean = trimmed(own), trimmed(plain)
        figures = f"{own_mean:.1f} | {own_99:.1f} | {plain_mean:.1f} | {plain_99:.1f}"
        print(f"| {channels} | {figures} | {plain_mean / own_mean:.1f} |")


if __name__ == "__main__":
    main()
