"""The amplifier of all measurements: EMG-like noise over LSL in small chunks. `python -m bench.peers.sender`.

Every chunk goes out when its last sample is due on an absolute schedule, and carries `local_clock()` at the push:
a sender that is late is not counted against who receives. Real-time priority where granted, in every condition: a
real amplifier has a clock of its own. The stamps go to a file that is mapped into memory: their number, then the
stamps themselves in nanoseconds, int64.

Told on stdout, JSON lines: {"event": "ready"}. Ends when stdin does.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import pylsl
from numpy.typing import NDArray

from bench.peers.task import NOISE_UV
from nmesd.realtime import SOURCE_PRIORITY, try_priority
from nmesd.sim.lines import LineReader, emit
from nmesd.sim.signals import emg_taps, shaped_noise
from nmesd.units import NS_PER_S

NOISE_S: Final = 2.0  # of noise are made; then they come again


def labels(channels: int) -> list[str]:
    """Of all channels."""
    return [f"muscle {number}" for number in range(1, channels + 1)]


def stamps(path: Path) -> NDArray[np.int64]:
    """Those of the chunks that were sent until now, nanoseconds."""
    mapped = np.memmap(path, dtype=np.int64, mode="r")
    return np.array(mapped[1 : 1 + int(mapped[0])])


def noise(channels: int, rate_hz: float) -> NDArray[np.float32]:
    """(samples, channels) microvolts with the spectrum of surface EMG."""
    taps, made = emg_taps(rate_hz), []
    for channel in range(channels):
        make, blocks = shaped_noise(np.random.default_rng([7, channel]), taps), []
        while sum(map(len, blocks)) < NOISE_S * rate_hz:
            blocks.append(make())
        made.append(np.concatenate(blocks))
    return (NOISE_UV * np.stack(made, axis=1)).astype(np.float32)


def described(source_id: str, channels: int, rate_hz: float) -> pylsl.StreamInfo:
    """The stream, with the labels and units that nmesd asks for."""
    info = pylsl.StreamInfo(source_id, "EMG", channels, rate_hz, pylsl.cf_float32, source_id)
    info.set_channel_labels(labels(channels))
    info.set_channel_units("microvolts")
    info.set_channel_types("EMG")
    return info


def main() -> int:
    """Process entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--source-id", required=True)
    add("--channels", type=int, default=8)
    add("--rate-hz", type=float, default=2000.0)
    add("--chunk", type=int, default=2, help="samples")
    add("--seconds", type=float, required=True, help="the most there is memory for")
    add("--stamps", type=Path, required=True)
    given = parser.parse_args()
    chunk, period_ns = given.chunk, given.chunk * NS_PER_S / given.rate_hz
    most = int(given.seconds * NS_PER_S / period_ns)
    sent = np.memmap(given.stamps, dtype=np.int64, mode="w+", shape=(most + 1,))
    emg_uv = noise(given.channels, given.rate_hz)
    chunks = [emg_uv[n : n + chunk].copy() for n in range(0, len(emg_uv) - chunk + 1, chunk)]
    try_priority(SOURCE_PRIORITY)
    outlet = pylsl.StreamOutlet(described(given.source_id, given.channels, given.rate_hz))
    gc.disable()
    emit("ready")
    orders, began_ns = LineReader(0), time.monotonic_ns()
    for number in range(most):
        due_ns = began_ns + round((number + 1) * period_ns)
        if (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / NS_PER_S)
        stamp_s = pylsl.local_clock()
        outlet.push_chunk(chunks[number % len(chunks)], stamp_s)
        sent[number + 1] = round(stamp_s * NS_PER_S)
        sent[0] = number + 1
        if number % 64 == 0:
            orders.lines()
            if orders.ended:
                break
    return 0


if __name__ == "__main__":
    sys.exit(main())
