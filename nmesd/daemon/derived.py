"""From what the engine tells to samples of our own streams: the same numbers for the record and for LSL."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from nmesd.core.values import SetOutput
from nmesd.daemon.engine_config import Config
from nmesd.engine.deciding import output_after
from nmesd.sessions import streams
from nmesd.sessions.streams import Stream
from nmesd.units import NS_PER_S, NV_PER_UV, UA_PER_MA
from nmesd.wire import ZERO, Capabilities, ChannelOutput, Hops, coded

Rows = npt.NDArray[np.float32]  # (n, channels)


class Derived:
    """The streams of one engine. host: ends their source_id."""

    def __init__(self, config: Config, host: str) -> None:
        files = config.files
        muscles = [
            (one.channel - 1, muscle.label)
            for muscle in files.patient.muscle
            for one in muscle.output
            if files.programme.gives_current
        ]
        self._channels = [channel for channel, _ in muscles]
        self._output, self._device = ZERO, Capabilities(0, 0, 0)
        envelope = streams.envelope(
            json.loads(config.engine), source_id=f"{streams.ENVELOPE}-{host}"
        )
        output = streams.output(muscles, source_id=f"{streams.OUTPUT}-{host}")
        events = streams.events(source_id=f"{streams.EVENTS}-{host}")
        self.streams: tuple[Stream, ...] = (envelope, output, events)
        if not muscles:
            self.streams = (envelope, events)

    def device(self, device: Capabilities) -> None:
        """The stimulator that will be given what is commanded from now on."""
        self._device = device

    def hops(self, frame: Hops) -> tuple[npt.NDArray[np.float64], Rows]:
        """(stamps (n,) seconds, rows (n, channels)) of `streams.ENVELOPE`."""
        values, n, columns = np.frombuffer(frame.payload, "<i8"), frame.hops, frame.columns
        thresholds_nv = values[: 2 * columns]
        stamps_ns = values[2 * columns : 2 * columns + n]
        steps = values[2 * columns + n :].reshape(n, 2 + columns)
        rows = np.empty((n, 2 + 3 * columns), np.float32)
        rows[:, :2] = steps[:, :2]
        rows[:, 2 : 2 + columns] = steps[:, 2:] / NV_PER_UV
        rows[:, 2 + columns :] = thresholds_nv / NV_PER_UV
        return stamps_ns / NS_PER_S, rows

    def output(self, command: SetOutput) -> Rows | None:
        """The row of `streams.OUTPUT` once it is obeyed; None where nothing is ever given."""
        self._output = output_after(self._output, command)
        if not self._channels:
            return None
        given = coded(self._output, self._device)
        values = [
            value
            for channel in self._channels
            for one in (self._output[channel], given[channel])
            for value in _row(one)
        ]
        return np.array([values], np.float32)


def _row(one: ChannelOutput) -> tuple[float, int, int]:
    return one.amplitude_ua / UA_PER_MA, one.pulse_width_us, one.period_us
