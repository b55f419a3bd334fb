"""mne-lsl `StreamLSL` polled: its thread pulls and filters into its buffer, `get_data` fetches what is new.

As its examples have it: `connect()` with its defaults, and a loop that looks at `n_new_samples`. Between two looks
it sleeps as long as the library does between two pulls, 1 ms.
"""

from __future__ import annotations

import sys
import time

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    options = begin(__doc__)
    import mne_lsl.stream  # noqa: PLC0415 - its thread inherits the priority
    import numpy as np  # noqa: PLC0415

    from bench.peers import task  # noqa: PLC0415

    stream = mne_lsl.stream.StreamLSL(1.0, source_id=options.source_id).connect(timeout=10.0)
    high = task.BAND_HZ[1] if task.BAND_HZ[1] < 0.45 * options.rate_hz else None
    order = {"order": task.BAND_ORDER, "ftype": "butter", "output": "sos"}
    stream.filter(task.BAND_HZ[0], high, iir_params=order, verbose="ERROR")
    lowpass = task.Filter(task.envelope_sos(options.rate_hz), options.channels)
    picks = np.arange(options.channels)  # the quick way, as its source says
    while True:
        new = stream.n_new_samples
        if not new:
            time.sleep(0.001)
            continue
        data, stamps = stream.get_data(winsize=new / options.rate_hz, picks=picks)
        envelope_uv = lowpass.run(np.abs(data.T))
        active = bool((envelope_uv[-1] >= task.ON_UV).any())
        options.teller.decided(stamps[-1], active=active)


if __name__ == "__main__":
    sys.exit(main())
