"""mne-lsl `StreamLSL` with a callback, as its documentation has it: its thread pulls, filters and calls back.

    --delay S   seconds between two pulls: 0.001 is its default, and it asks for more than 0

The callback runs after `filter`, in the thread that pulls, so that nothing waits for another thread. The library's
`filter` is causal and keeps its state; it has no rectifier and no envelope: those are in the callback.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    delay_s = float(sys.argv.pop())
    options = begin(__doc__)
    import mne_lsl.stream  # noqa: PLC0415 - its thread inherits the priority
    import numpy as np  # noqa: PLC0415

    from bench.peers import task  # noqa: PLC0415

    stream = mne_lsl.stream.StreamLSL(1.0, source_id=options.source_id)
    stream.connect(acquisition_delay=delay_s, timeout=10.0)
    high = task.BAND_HZ[1] if task.BAND_HZ[1] < 0.45 * options.rate_hz else None
    order = {"order": task.BAND_ORDER, "ftype": "butter", "output": "sos"}
    stream.filter(task.BAND_HZ[0], high, iir_params=order, verbose="ERROR")
    lowpass = task.Filter(task.envelope_sos(options.rate_hz), options.channels)

    def decide(data: Any, stamps: Any, _: Any) -> tuple[Any, Any]:
        envelope_uv = lowpass.run(np.abs(data))
        active = bool((envelope_uv[-1] >= task.ON_UV).any())
        options.teller.decided(stamps[-1], active=active)
        return data, stamps

    stream.add_callback(decide)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
