"""ezmsg's inlet and processors without its graph: `LSLInletProducer` awaited in a loop, processors called.

Its documentation says of processors that they serve alone, too; no message then goes from unit to unit. The settings
are those of `ezmsg_units`.
"""

from __future__ import annotations

import asyncio
import sys

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    options = begin(__doc__)
    import pylsl  # noqa: PLC0415 - threads inherit the priority
    from ezmsg.lsl.inlet import LSLInfo, LSLInletProducer, LSLInletSettings  # noqa: PLC0415

    from bench.peers import task  # noqa: PLC0415
    from bench.peers.ezmsg_chain import Chained, ChainSettings  # noqa: PLC0415

    chain = Chained(settings=ChainSettings(rate_hz=options.rate_hz))
    settings = LSLInletSettings(
        info=LSLInfo(name=options.source_id),
        use_lsl_clock=True,
        processing_flags=pylsl.proc_none,
    )
    producer = LSLInletProducer(settings=settings)

    async def run() -> None:
        while True:
            heard = await producer.__acall__()
            if heard is None:
                continue
            envelope_uv = chain(heard).data
            active = bool((envelope_uv[-1] >= task.ON_UV).any())
            newest_s = heard.axes["time"].value(len(heard.data) - 1)
            options.teller.decided(newest_s, active=active)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
