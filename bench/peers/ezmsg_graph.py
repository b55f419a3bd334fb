"""ezmsg: the inlet of ezmsg-lsl, a unit with filters of ezmsg-sigproc that compares. In the peers' environment.

See receiving.py. The inlet waits for the first sample and drains (its own default), keeps LSL's clock, and does
not dejitter; filters are second-order sections with ezmsg's own fast `sosfilt`, its default. They are joined by
`CompositeProcessor`, as its documentation has it: no message between one and the next.
"""

import socket
from typing import Any

import ezmsg.core as ez
import pylsl
from ezmsg.baseproc import CompositeProcessor
from ezmsg.lsl.units import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.sigproc.butterworthfilter import ButterworthFilterSettings, ButterworthFilterTransformer
from ezmsg.sigproc.math.abs import AbsTransformer
from ezmsg.util.messages.axisarray import AxisArray

from bench.peers.receiving import (
    BAND_HZ,
    ENVELOPE_HZ,
    ENVELOPE_ORDER,
    ORDER,
    THRESHOLD_UV,
    Asked,
    Taken,
    asked,
    go_real_time,
)


class Nothing(ez.Settings):  # type: ignore[misc]
    """All of it stands in receiving.py."""


class Joined(CompositeProcessor[Nothing, AxisArray, AxisArray]):  # type: ignore[misc]
    """Band-pass, rectify, envelope."""

    @staticmethod
    def _initialize_processors(_: Nothing) -> dict[str, Any]:
        low, high = BAND_HZ
        return {
            "band": ButterworthFilterTransformer(
                ButterworthFilterSettings(coef_type="sos", order=ORDER, cuton=low, cutoff=high)
            ),
            "rectify": AbsTransformer(),
            "envelope": ButterworthFilterTransformer(
                ButterworthFilterSettings(coef_type="sos", order=ENVELOPE_ORDER, cutoff=ENVELOPE_HZ)
            ),
        }


class Decides(ez.Unit):  # type: ignore[misc]
    """The end of the graph."""

    SETTINGS: Asked
    INPUT = ez.InputStream(AxisArray)

    async def initialize(self) -> None:
        """Before the first message."""
        self.taken, self.chain = Taken(self.SETTINGS), Joined(settings=Nothing())

    @ez.subscriber(INPUT)  # type: ignore[untyped-decorator]
    async def decide(self, message: AxisArray) -> None:
        """Filter, then compare."""
        count = message.data.shape[0]
        if not count:
            return
        message = self.chain(message)
        if (message.data[-1] > THRESHOLD_UV).any():
            raise RuntimeError("noise is over the threshold")
        if not self.taken.add(float(message.axes["time"].value(count - 1))):
            self.taken.save()
            raise ez.NormalTermination


def main() -> None:
    """Run the graph in one process."""
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
        INLET=inlet, DECIDES=decides, connections=((inlet.OUTPUT_SIGNAL, decides.INPUT),),
        force_single_process=True, graph_address=address, auto_start=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
