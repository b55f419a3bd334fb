"""An emulated stimulator on a pty: `python -m nmesd.sim.emulate MODEL --link PATH --pulses SOCKET`.

MODEL is p24, rehamove3 or rehastim2. It speaks ScienceMode 4, 3 or 2 on the pty that PATH links to, refuses what
the real one refuses, and gives each pulse as a `wire.Pulse` datagram to SOCKET (amplitude 0: commanded to zero, or
stopped by itself).

Orders on stdin, one JSON object a line. Of the line, one at a time:

{"order": "silent"}                    obey, but answer no more
{"order": "late", "ms": 50}            answer that much later
{"order": "garbage"}                   answer with random bytes
{"order": "noise"}                     random bytes before each answer
{"order": "split"}                     answers arrive byte by byte
{"order": "lost"}                      the next answer does not arrive
{"order": "unplug"}, {"order": "replug"}   the cable; what it gave goes on until its dead-man

Of the device, together, until healthy:

{"order": "electrode", "channel": 1}   has come off; found out at the next pulse of that channel (from 1)
{"order": "emergency"}                 the switch is pressed (rehastim2)
{"order": "module"}                    its module fails (rehastim2)
{"order": "busy"}                      it takes no command but a stop
{"order": "restart"}                   off and on again: it gives nothing and remembers nothing
{"order": "healthy"}                   none of all these; gives nothing by itself

On stdout:

{"event": "ready", "port", "model", "dead_man_ms"}
{"event": "order", "order", ..., "at_ns"}        obeyed
{"event": "refused", "reason"}                   an order that could not be understood
{"event": "stopped", "why", "at_ns", "pulses"}   command, dead-man, electrode, emergency, module or restart; was
                                                 repeating pulses until then
{"event": "unbalanced", "channel", "net_pc"}     a pulse that leaves charge behind (p24, rehamove3); given
{"event": "ended", "pulses"}
"""

from __future__ import annotations

import argparse
import functools
import json
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from nmesd.realtime import SOURCE_PRIORITY, try_priority
from nmesd.sim import p24, rehastim2
from nmesd.sim.electrodes import Electrodes, PulseSender
from nmesd.sim.lines import LineReader, emit, stop_on_signals
from nmesd.sim.pty_port import PtyPort
from nmesd.units import NS_PER_MS, NS_PER_S

_LOOK_NS = 50 * NS_PER_MS  # how long it may be deaf to a signal
_LATE_MS = 60_000  # beyond it, silent is meant


class Device(Protocol):
    """An emulated stimulator: bytes in, pulses and answers out."""

    electrodes: Electrodes
    answers: list[tuple[int, bytes]]

    @property
    def giving(self) -> bool: ...

    def hear(self, data: bytes, now_ns: int) -> None: ...

    def give(self, now_ns: int) -> None: ...

    def next_ns(self) -> int: ...

    def fault(self, fault: str, channel: int, now_ns: int) -> str: ...


# How to make it, its dead-man (ms) and how soon it answers (ms).
MODELS: dict[str, tuple[Callable[..., Device], int, int]] = {
    "p24": (p24.P24, p24.DEAD_MAN_MS, p24.ACK_MS),
    "rehamove3": (
        functools.partial(p24.P24, model=p24.REHAMOVE3_MODEL),
        p24.DEAD_MAN_MS,
        p24.ACK_MS,
    ),
    "rehastim2": (rehastim2.RehaStim2, rehastim2.DEAD_MAN_MS, rehastim2.ACK_MS),
}


def obey(text: str, device: Device, port: PtyPort, now_ns: int) -> None:
    """An order, as a line of JSON."""
    try:
        order = json.loads(text)
    except ValueError as error:
        emit("refused", reason=f"{text}: {error}")
        return
    refusal = _obey(order, device, port, now_ns)
    if refusal:
        emit("refused", reason=refusal)
    else:
        known = {key: order[key] for key in ("order", "ms", "channel") if key in order}
        emit("order", **known, at_ns=now_ns)


def _obey(order: object, device: Device, port: PtyPort, now_ns: int) -> str:
    """Do it; "" or why not."""
    match order:
        case {"order": "late", "ms": int(ms) | float(ms)} if 0 <= ms <= _LATE_MS:
            port.fault("late", round(ms * NS_PER_MS))
        case {"order": "silent" | "garbage" | "noise" | "split" as fault}:
            port.fault(fault)
        case {"order": "lost"}:
            port.lose_next()
        case {"order": "unplug" | "replug" as what}:
            if (port.fd < 0) is (what == "unplug"):
                return f"{what}: it is already"
            (port.unplug if what == "unplug" else port.plug)()
        case {"order": "electrode", "channel": int(channel)}:
            return device.fault("electrode", channel, now_ns)
        case {"order": "emergency" | "module" | "busy" | "restart" as fault}:
            return device.fault(fault, 0, now_ns)
        case {"order": "healthy"}:
            port.fault("healthy")
            return device.fault("healthy", 0, now_ns)
        case _:
            return f"no such order: {json.dumps(order)}"
    return ""


def run(device: Device, port: PtyPort, stop: threading.Event, *, until_eof: bool) -> None:
    """Until `stop`, or with `until_eof` until stdin ends: whoever started this is gone."""
    orders = LineReader(sys.stdin.fileno())
    while not stop.is_set() and not (until_eof and orders.ended):
        now_ns = time.monotonic_ns()
        until_ns = min(device.next_ns(), port.next_ns(), now_ns + _LOOK_NS)
        sources = [] if orders.ended else [sys.stdin.fileno()]
        if port.fd >= 0:
            sources.append(port.fd)
        # select, for epoll rounds up to whole milliseconds
        select.select(sources, [], [], max(0, until_ns - now_ns) / NS_PER_S)
        now_ns = time.monotonic_ns()
        device.hear(port.read(), now_ns)
        for order in orders.lines():
            obey(order, device, port, now_ns)
        device.give(time.monotonic_ns())
        for due_ns, answer in device.answers:
            port.say(due_ns, answer)
        device.answers.clear()
        port.speak(time.monotonic_ns())
        if not device.giving:
            port.forget_owner()


def main(argv: list[str] | None = None) -> int:
    """Process entry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m nmesd.sim.emulate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("model", choices=sorted(MODELS))
    add("--link", type=Path, required=True, help="symbolic link to make to the pty")
    add("--pulses", type=Path, required=True, help="unix datagram socket to give pulses to")
    add("--dead-man-ms", type=int, help="default: that of the real one")
    add("--ack-ms", type=int, help="how soon it answers; default: as the real one")
    add("--version", type=int, help="say this protocol version; default: the right one")
    add("--until-eof", action="store_true", help="end when stdin is closed")
    options = parser.parse_args(argv)
    make, dead_man_ms, ack_ms = MODELS[options.model]
    dead_man_ms = dead_man_ms if options.dead_man_ms is None else options.dead_man_ms
    ack_ms = ack_ms if options.ack_ms is None else options.ack_ms
    try_priority(SOURCE_PRIORITY)
    stop = stop_on_signals()
    device = make(
        PulseSender(options.pulses),
        emit,
        dead_man_ms=dead_man_ms,
        ack_ms=ack_ms,
        version=options.version,
    )
    port = PtyPort(options.link)
    emit("ready", port=str(options.link), model=options.model, dead_man_ms=dead_man_ms)
    run(device, port, stop, until_eof=options.until_eof)
    port.unplug()
    emit("ended", pulses=device.electrodes.pulses)
    return 0


if __name__ == "__main__":
    sys.exit(main())
