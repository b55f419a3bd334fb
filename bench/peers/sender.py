"""The amplifier of the comparison: `python -m bench.peers.sender STREAM RATE CHANNELS CHUNK`, until its end.

Noise of 5 µV, float32, in chunks on an absolute schedule; LSL stamps each chunk when it is pushed. With real-time
rights where they are granted: a real amplifier has a clock of its own.
"""

from __future__ import annotations

import gc
import sys
import time

import numpy as np
import pylsl

from nmesd.realtime import SOURCE_PRIORITY, go_real_time


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
        outlet.push_chunk(noise[n % len(noise)])
        n += 1


if __name__ == "__main__":
    main()
