"""The floor in Python: pylsl pulls into memory that is there, a frame is written. Nothing is computed."""

from __future__ import annotations

import sys

import numpy as np

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    options = begin(__doc__)
    import pylsl  # noqa: PLC0415 - its threads inherit the priority

    (info,) = pylsl.resolve_byprop("source_id", options.source_id, 1, 10.0)
    inlet = pylsl.StreamInlet(info, max_buflen=1, recover=False, processing_flags=pylsl.proc_none)
    samples = np.empty((int(options.rate_hz), options.channels), dtype=np.float32)
    most, decided = len(samples), options.teller.decided
    while True:
        _, stamps = inlet.pull_chunk(
            timeout=1.0, max_samples=most, min_samples=1, dest_obj=samples, as_numpy=True
        )
        if len(stamps):
            decided(stamps[-1])


if __name__ == "__main__":
    sys.exit(main())
