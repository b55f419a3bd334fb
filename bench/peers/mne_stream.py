"""mne-lsl's StreamLSL with its own filter and a callback: see receiving.py. Needs the environment of the peers.

The last argument is how often its acquisition thread looks, in seconds: 0.001 is its default, there is no other
way to be told of a sample.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from mne_lsl.stream import StreamLSL
from scipy.signal import butter, sosfilt

from bench.peers.receiving import (
    BAND_HZ,
    ENVELOPE_HZ,
    ENVELOPE_ORDER,
    ORDER,
    THRESHOLD_UV,
    Taken,
    asked,
    go_real_time,
)


def main() -> None:
    """The callback decides."""
    wanted, every_s = asked(), float(sys.argv[5])
    go_real_time(wanted.priority)
    stream = StreamLSL(2, name=wanted.stream)
    stream.connect(acquisition_delay=every_s)
    rate_hz, channels = stream.info["sfreq"], len(stream.ch_names)
    low = butter(ENVELOPE_ORDER, ENVELOPE_HZ, fs=rate_hz, output="sos")
    zi = np.zeros((len(low), 2, channels))
    taken, going = Taken(wanted), True

    def decide(data: Any, stamps: Any, _: Any) -> Any:
        nonlocal zi, going
        envelope, zi = sosfilt(low, np.abs(data), axis=0, zi=zi)
        if (envelope[-1] > THRESHOLD_UV).any():
            raise RuntimeError("noise is over the threshold")
        going = going and taken.add(stamps[-1])
        return data, stamps

    stream.filter(*BAND_HZ, iir_params={"order": ORDER, "ftype": "butter", "output": "sos"})
    stream.add_callback(decide)
    while going:
        time.sleep(0.05)
    stream.disconnect()
    taken.save()


if __name__ == "__main__":
    main()
