"""ezmsg: the inlet of ezmsg-lsl, and a unit that filters and compares. In the peers' environment.

See receiving.py. With what makes it quick: one process; the inlet waits for the first sample and drains (its own
default), keeps LSL's clock and does not dejitter; the processors of ezmsg-sigproc are joined in one unit, without
a message between each; filters are second-order sections with ezmsg's own fast `sosfilt`, its default.
"""

import socket

import ezmsg.core as ez
import pylsl
from ezmsg.lsl.units import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.util.messages.axisarray import AxisArray

from bench.peers.chains import ezmsg_chain
from bench.peers.receiving import THRESHOLD_UV, Asked, Taken, asked, go_real_time


class Decides(ez.Unit):  # type: ignore[misc]
    """Everything after the inlet."""

    SETTINGS: Asked
    INPUT = ez.InputStream(AxisArray)

    async def initialize(self) -> None:
        """Before the first message."""
        self.taken, self.chain = Taken(self.SETTINGS), ezmsg_chain()

    @ez.subscriber(INPUT)  # type: ignore[untyped-decorator]
    async def decide(self, message: AxisArray) -> None:
        """Filter, compare."""
        count = message.data.shape[0]
        if not count:
            return
        if (self.chain(message).data[-1] > THRESHOLD_UV).any():
            raise RuntimeError("noise is over the threshold")
        if not self.taken.add(float(message.axes["time"].value(count - 1))):
            self.taken.save()
            raise ez.NormalTermination


def main() -> None:
    """Run the graph."""
    wanted = asked()
    go_real_time(wanted.priority)
    inlet = LSLInletUnit(
        LSLInletSettings(
            LSLInfo(name=wanted.stream, type="EMG"),
            use_lsl_clock=True,
            processing_flags=pylsl.proc_none,
        )
    )
    decides = Decides(wanted)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    ez.run(
        components={"INLET": inlet, "DECIDES": decides},
        connections=((inlet.OUTPUT_SIGNAL, decides.INPUT),),
        force_single_process=True,
        graph_address=address,
        auto_start=True,  # with an address it takes for granted that somebody else did
    )


if __name__ == "__main__":
    main()
