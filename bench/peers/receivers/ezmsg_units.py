"""ezmsg: `LSLInletUnit` of ezmsg-lsl, and a unit that decides, both in one process.

The settings are those its documentation gives for little latency: no post-processing by liblsl (`proc_none`), LSL's
own clock, the inlet's defaults since 1.17 (a worker thread that waits for the first sample), processors joined in
one unit by `CompositeProcessor` instead of a message between each.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from bench.peers.receiver import begin


def main() -> int:
    """Process entry."""
    options = begin(__doc__)
    import ezmsg.core as ez  # noqa: PLC0415 - threads inherit the priority
    import pylsl  # noqa: PLC0415
    from ezmsg.lsl.inlet import LSLInfo, LSLInletSettings, LSLInletUnit  # noqa: PLC0415
    from ezmsg.util.messages.axisarray import AxisArray  # noqa: PLC0415

    from bench.peers import task  # noqa: PLC0415
    from bench.peers.ezmsg_chain import Chained, ChainSettings  # noqa: PLC0415

    chain = Chained(settings=ChainSettings(rate_hz=options.rate_hz))

    class Decide(ez.Unit):  # type: ignore[misc]
        INPUT_SIGNAL = ez.InputStream(AxisArray)

        @ez.subscriber(INPUT_SIGNAL)  # type: ignore[untyped-decorator]
        async def on_signal(self, heard: Any) -> None:
            envelope_uv = chain(heard).data
            active = bool((envelope_uv[-1] >= task.ON_UV).any())
            time = heard.axes["time"]
            options.teller.decided(time.value(len(heard.data) - 1), active=active)

    inlet = LSLInletUnit(
        LSLInletSettings(
            info=LSLInfo(name=options.source_id),
            use_lsl_clock=True,
            processing_flags=pylsl.proc_none,
        )
    )
    decide = Decide()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    ez.run(
        components={"INLET": inlet, "DECIDE": decide},
        connections=((inlet.OUTPUT_SIGNAL, decide.INPUT_SIGNAL),),
        force_single_process=True,
        graph_address=address,
        auto_start=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
