"""ezmsg: the inlet of ezmsg-lsl, filters of ezmsg-sigproc, a unit that compares. In the peers' environment.

See receiving.py. The inlet waits for the first sample and drains (its own default), keeps LSL's clock, and does
not dejitter; filters are second-order sections with ezmsg's own fast `sosfilt`, its default.
"""

import ezmsg.core as ez
import pylsl
from ezmsg.lsl.units import LSLInfo, LSLInletSettings, LSLInletUnit
from ezmsg.sigproc.butterworthfilter import ButterworthFilter, ButterworthFilterSettings
from ezmsg.sigproc.math.abs import Abs, AbsSettings
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


class Decides(ez.Unit):  # type: ignore[misc]
    """The end of the graph."""

    SETTINGS: Asked
    INPUT = ez.InputStream(AxisArray)

    async def initialize(self) -> None:
        """Before the first message."""
        self.taken = Taken(self.SETTINGS)

    @ez.subscriber(INPUT)  # type: ignore[untyped-decorator]
    async def decide(self, message: AxisArray) -> None:
        """Compare."""
        count = message.data.shape[0]
        if not count:
            return
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
    low, high = BAND_HZ
    band = ButterworthFilter(
        ButterworthFilterSettings(axis="time", coef_type="sos", order=ORDER, cuton=low, cutoff=high)
    )
    rectify = Abs(AbsSettings())
    envelope = ButterworthFilter(
        ButterworthFilterSettings(
            axis="time", coef_type="sos", order=ENVELOPE_ORDER, cutoff=ENVELOPE_HZ
        )
    )
    decides = Decides(wanted)
    ez.run(
        INLET=inlet, BAND=band, ABS=rectify, ENVELOPE=envelope, DECIDES=decides,
        connections=(
            (inlet.OUTPUT_SIGNAL, band.INPUT_SIGNAL),
            (band.OUTPUT_SIGNAL, rectify.INPUT_SIGNAL),
            (rectify.OUTPUT_SIGNAL, envelope.INPUT_SIGNAL),
            (envelope.OUTPUT_SIGNAL, decides.INPUT),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
