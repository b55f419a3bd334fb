"""The amplifier of the comparison, until killed: `python -m bench.peers.sender STREAM RATE CHANNELS CHUNK STAMPS`.

Noise of 5 µV, float32, in chunks on an absolute schedule, stamped with LSL's clock as they are pushed. The stamps
go to STAMPS, a file in memory: their number, then nanoseconds, int64. With real-time rights where granted: a real
amplifier has a clock of its own.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import numpy as np
import pylsl
from numpy.typing import NDArray

from nmesd.realtime import SOURCE_PRIORITY, go_real_time

MOST = 1 << 20  # stamps: 17 minutes of a thousand chunks a second


def sent_ns(stamps: Path) -> NDArray[np.int64]:
    """Of the chunks that were sent until now."""
    mapped = np.memmap(stamps, dtype=np.int64, mode="r")
    return np.array(mapped[1 : 1 + int(mapped[0])])


def info(stream: str, rate_hz: float, channels: int) -> pylsl.StreamInfo:
    """As an EMG amplifier describes itself."""
    made = pylsl.StreamInfo(stream, "EMG", channels, rate_hz, pylsl.cf_float32, stream)
    made.set_channel_labels([f"emg{n + 1}" for n in range(channels)])
    made.set_channel_types("EMG")
    made.set_channel_units("microvolts")
    return made


def main() -> None:
    """Push until killed."""
    stream, rate_hz, channels, chunk = sys.argv[1], *map(float, sys.argv[2:5])
    sent = np.memmap(sys.argv[5], dtype=np.int64, mode="w+", shape=(MOST + 1,))
    sent[:] = 0  # touched: no page is fetched while it is measured
    size, period_ns = int(chunk), round(chunk / rate_hz * 1e9)
    noise = np.random.default_rng(1).normal(0, 5, (997, size, int(channels))).astype(np.float32)
    go_real_time(SOURCE_PRIORITY)
    outlet = pylsl.StreamOutlet(info(stream, rate_hz, int(channels)), chunk_size=size)
    gc.disable()
    sys.stdout.write('{"event": "open"}\n')
    sys.stdout.flush()
    due_ns, n = time.monotonic_ns(), 0
    while True:
        due_ns += period_ns
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        stamp_s = pylsl.local_clock()
        outlet.push_chunk(noise[n % len(noise)], stamp_s)
        n += 1
        if n <= MOST:
            sent[n] = round(stamp_s * 1e9)
            sent[0] = n


if __name__ == "__main__":
    main()
