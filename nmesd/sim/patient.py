"""The virtual patient in real time: `python -m nmesd.sim.patient`.

Sends EMG and the true attempts over LSL, hears the pulses of a simulated stimulator on a unix
datagram socket, and obeys orders on stdin: {"order": "attempt"} begins one with the next chunk,
{"order": "attempt", "channel": 2} on that channel (from 0), others are stream faults (`faults.py`).
On stdout, one JSON object a line:

{"event": "ready", "name", "source_id", "rate_hz", "channels", "lsl_start"}   stamp of sample 0
{"event": "attempt", "number", "onset_lsl", "offset_lsl", "rms_uv"}           as its onset is sent
{"event": "fault", "fault", "at_ns", "sample"}    obeyed; CLOCK_MONOTONIC of its first effect
{"event": "refused", "reason"}                    an order that could not be understood
{"event": "ended", "samples", "pulses", "late_max_ms"}
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path

from nmesd.errors import ConfigError, NmesdError
from nmesd.realtime import SOURCE_PRIORITY, try_priority
from nmesd.sim.attempts import Attempt
from nmesd.sim.clock import SampleClock, sleep_until
from nmesd.sim.faults import Distortions, parse_fault
from nmesd.sim.lines import LineReader, complain, emit, stop_on_signals
from nmesd.sim.outlets import EmgOutlet, MarkerOutlet, unique_source_id
from nmesd.sim.pulses import PulseListener
from nmesd.sim.spec import PatientSpec, spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_MS, NS_PER_S


class LivePatient:
    """A virtual patient whose sample time is CLOCK_MONOTONIC."""

    def __init__(
        self,
        spec: PatientSpec,
        *,
        emg: EmgOutlet,
        markers: MarkerOutlet,
        pulses: PulseListener | None,
        start_ns: int,
    ) -> None:
        self._patient = VirtualPatient(spec)
        self._emg = emg
        self._markers = markers
        self._pulses = pulses
        self._clock = SampleClock(spec.rate_hz, start_ns)
        self._distortions = Distortions(spec.rail_uv)
        self._to_mark: deque[tuple[int, str]] = deque()  # sample, text
        self._announced = 0
        self._silent_until_ns = 0
        self._twice_until = 0  # sample

    def run(
        self,
        *,
        chunk: int,
        orders: LineReader,
        until_eof: bool,
        stop: threading.Event,
        end_ns: int,
    ) -> None:
        """Send chunks of `chunk` samples, each when its last is due, until `stop` or `end_ns`.

        With `until_eof` also until `orders` end: whoever started this is gone.

        A late chunk goes out with all that is due by then; nothing is skipped.
        """
        late_ns = 0
        while True:
            first = self._patient.position
            deadline_ns = max(self._clock.time_ns(first + chunk - 1), self._silent_until_ns)
            if deadline_ns >= end_ns or not sleep_until(deadline_ns, stop):
                break
            self._hear()
            now_ns = time.monotonic_ns()
            late_ns = max(late_ns, now_ns - deadline_ns)
            for order in orders.lines():
                self._obey(order, stop)
            if stop.is_set() or (until_eof and orders.ended):
                break
            if now_ns < self._silent_until_ns:
                continue
            self._send((self._clock.due(now_ns) - first) // chunk * chunk)
        emit(
            "ended",
            samples=self._patient.position,
            pulses=self._pulses.count if self._pulses else 0,
            late_max_ms=round(late_ns / NS_PER_MS, 3),
        )

    def _hear(self) -> None:
        """Tell the patient of the pulses since the last chunk.

        The stimulator sends each as it gives it, so they lie in samples not yet generated.
        """
        if self._pulses:
            for pulse in self._pulses.read_all():
                sample = self._clock.index_at(pulse.given_ns)
                self._patient.hear(sample, pulse.amplitude_ua, pulse.pulse_width_us)

    def _obey(self, order: str, stop: threading.Event) -> None:
        rate_hz = self._patient.spec.rate_hz
        try:
            if (channel := _attempted(order, self._patient.spec.channels)) is not None:
                self._patient.attempt(channel)
                return
            fault = parse_fault(order, rate_hz)
        except ConfigError as error:
            emit("refused", reason=str(error))
            return
        sample = self._patient.position
        at_ns = self._clock.time_ns(sample)
        if fault.distorts:
            self._distortions.order(fault, sample)
        elif fault.kind == "rate":
            self._clock = self._clock.at_rate(rate_hz * fault.factor, sample)
        elif fault.kind == "duplicate":
            self._twice_until = sample + fault.samples
        elif fault.kind == "stall":
            self._silent_until_ns = time.monotonic_ns() + round(fault.samples * NS_PER_S / rate_hz)
        else:
            at_ns = time.monotonic_ns()
            stop.set()
        emit("fault", fault=fault.kind, at_ns=at_ns, sample=sample)

    def _send(self, n: int) -> None:
        first = self._patient.position
        emg_uv, sent = self._distortions.apply(self._patient.generate(n), first)
        stamps_s = self._clock.stamps_s(first, first + n)
        for _ in range(2 if first < self._twice_until else 1):
            self._emg.push(emg_uv[sent], stamps_s[sent])
        for attempt in self._patient.attempts[self._announced :]:
            self._announce(attempt)
        while self._to_mark and self._to_mark[0][0] < first + n:
            sample, text = self._to_mark.popleft()
            self._markers.push(text, self._stamp_s(sample))

    def _announce(self, attempt: Attempt) -> None:
        self._announced += 1
        self._to_mark.append((attempt.onset, f"onset {attempt.number} {attempt.rms_uv:.1f} uV"))
        self._to_mark.append((attempt.offset, f"offset {attempt.number}"))
        emit(
            "attempt",
            number=attempt.number,
            onset_lsl=self._stamp_s(attempt.onset),
            offset_lsl=self._stamp_s(attempt.offset),
            rms_uv=round(attempt.rms_uv, 2),
        )

    def _stamp_s(self, sample: int) -> float:
        return float(self._clock.stamps_s(sample, sample + 1)[0])


def _attempted(order: str, channels: int) -> int | None:
    """The channel of an order to attempt, None if it is another order. Raises ConfigError."""
    try:
        asked = json.loads(order)
    except ValueError:
        return None
    if not isinstance(asked, dict) or asked.get("order") != "attempt":
        return None
    channel = asked.get("channel", 0)
    if type(channel) is not int or not 0 <= channel < channels:
        raise ConfigError(f"attempt: channel = {channel!r}: must be 0 to {channels - 1}")
    return channel


def main(argv: list[str] | None = None) -> int:
    """Process entry; returns the exit code."""
    options = _options(argv)
    try_priority(SOURCE_PRIORITY)
    stop = stop_on_signals()
    pulses = None
    try:
        spec = spec_from_json(options.json)
        if options.wait:
            while os.read(sys.stdin.fileno(), 1) not in (b"\n", b""):
                pass  # not one byte more than the line: the rest are orders
        source_id = options.source_id or unique_source_id(options.name)
        labels = _labels(options.labels, spec.channels)
        emg = EmgOutlet(
            name=options.name,
            source_id=source_id,
            rate_hz=spec.rate_hz,
            labels=labels,
            model="virtual patient",
            stream_type=options.type,
        )
        markers = MarkerOutlet(
            name=f"{options.name}-truth", source_id=f"{source_id}-truth", model="virtual patient"
        )
        if options.pulses:
            pulses = PulseListener(
                options.pulses, forward=options.pulse_forward, log=options.pulse_log
            )
        start_ns = time.monotonic_ns()
        live = LivePatient(spec, emg=emg, markers=markers, pulses=pulses, start_ns=start_ns)
        emit(
            "ready",
            name=options.name,
            source_id=source_id,
            rate_hz=spec.rate_hz,
            channels=spec.channels,
            lsl_start=start_ns / NS_PER_S,
        )
        live.run(
            chunk=max(1, round(options.chunk_ms * spec.rate_hz / 1000)),
            orders=LineReader(sys.stdin.fileno()),
            until_eof=options.until_eof,
            stop=stop,
            end_ns=start_ns + round(options.seconds * NS_PER_S),
        )
    except NmesdError as error:
        complain(error)
        return 1
    finally:
        if pulses:
            pulses.close()
    return 0


def _labels(given: str, channels: int) -> list[str]:
    """Of all channels. Raises ConfigError."""
    if not given:
        return ["target", *(f"rest {c}" for c in range(1, channels))]
    labels = [str(label) for label in json.loads(given)]
    if len(labels) != channels:
        raise ConfigError(f"labels: {len(labels)} given, must be {channels}, one for each channel")
    return labels


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nmesd.sim.patient", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--json", default="{}", help="fields of PatientSpec as a JSON object")
    add("--name", default="virtual-patient", help="name of the LSL stream; markers: NAME-truth")
    add("--source-id", help="default: unique")
    add("--type", default="EMG", help="type of the LSL stream")
    add("--labels", default="", help="of the channels, as a JSON list")
    add("--chunk-ms", type=float, default=4.0, help="samples are sent in chunks of this length")
    add("--seconds", type=float, default=1e6, help="end by itself after this time")
    add("--wait", action="store_true", help="appear only when a line has come on stdin")
    add("--until-eof", action="store_true", help="end when stdin is closed")
    add("--pulses", type=Path, help="unix datagram socket to create and hear pulses on")
    add("--pulse-forward", type=Path, help="socket to pass the pulses on to")
    add("--pulse-log", type=Path, help="file to append every pulse to, as JSON lines")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
