"""What one would write first with good advice: pylsl pulls, two `sosfilt` calls with their state, a comparison."""

from __future__ import annotations

import sys

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    options = begin(__doc__)
    import numpy as np  # noqa: PLC0415 - threads inherit the priority, BLAS's too
    import pylsl  # noqa: PLC0415

    from bench.peers import task  # noqa: PLC0415

    (info,) = pylsl.resolve_byprop("source_id", options.source_id, 1, 10.0)
    inlet = pylsl.StreamInlet(info)
    band = task.Filter(task.band_sos(options.rate_hz), options.channels)
    lowpass = task.Filter(task.envelope_sos(options.rate_hz), options.channels)
    while True:
        samples, stamps = inlet.pull_chunk(timeout=1.0, min_samples=1, as_numpy=True)
        if len(stamps):
            envelope_uv = lowpass.run(np.abs(band.run(samples)))
            active = bool((envelope_uv[-1] >= task.ON_UV).any())
            options.teller.decided(stamps[-1], active=active)


if __name__ == "__main__":
    sys.exit(main())
