"""How evenly the guard gives pulses: 35 Hz on four channels, idle and with every core loaded.

    python bench/pulse_timing.py [--seconds 60] [--json FILE]

The real guard under leases of a small engine (one every 2 ms, 20 ms ahead, as real-time as an engine is). Stamps
are those of the simulated stimulator, taken in the guard as it gives a pulse, and those of the emulated P24 as it
gives what came over the pty. In the guard no pulse is early, a late one moves those after it: error = interval -
period.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from nmesd.sim.pulses import PulseListener
from nmesd.units import NS_PER_S, NS_PER_US, ms
from nmesd.wire import CHANNELS, ChannelOutput, Pulse

CHANNELS_ON, PERIOD_US = 4, 28_572  # 35 Hz, never faster
ONE = ChannelOutput(10_000, 250, PERIOD_US)
OUTPUT = tuple(ONE if c < CHANNELS_ON else ChannelOutput() for c in range(CHANNELS))
GUARD_TOML = """
[stimulator]
driver = "{driver}"
port = "{folder}/{port}"
level = "full"
channels = [1, 2, 3, 4]
[electrodes]
area_cm2 = 25
[guard]
socket = "{folder}/guard.sock"
[limits]
channels_at_once = 4
rise_ma_s = 260
train_s = 1800
duty_percent = 100
dose_mc = 11700
"""
ENGINE = """
import os, socket, sys, time
from nmesd.realtime import ENGINE_PRIORITY, try_priority
from nmesd.wire import Arm, Hello, Lease, Link, Report, ZERO, session_token
from bench.pulse_timing import OUTPUT
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect(sys.argv[1])
link, report = Link(sock), None
while not isinstance(report, Report):
    received = link.receive()
    report = received and received.frame
link.send(Hello(1, os.getpid()))
arm = Arm(report.nonce, 1, report.limits_hash, 1)
link.send(arm)
try_priority(ENGINE_PRIORITY)
began_ns = time.monotonic_ns()
while not link.closed:
    now_ns = time.monotonic_ns()
    output = OUTPUT if now_ns - began_ns > 500_000_000 else ZERO
    link.send(Lease(session_token(arm), now_ns + 20_000_000, now_ns, now_ns, now_ns, 1, output is OUTPUT, output))
    while (received := link.receive()) is not None:
        if isinstance(received.frame, Report) and received.frame.trip_reason:
            sys.exit(f"tripped: {received.frame}")
    time.sleep(0.002)
"""
BURN = "while True: pass"
DRIVERS = {"sim": "pulses.sock", "sciencemode4": "device"}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, killed at the end."""
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def measured(driver: str, seconds: float) -> list[Pulse]:
    """Pulses of so many seconds."""
    with tempfile.TemporaryDirectory(prefix="nmesd-") as name, ExitStack() as stack:
        folder = Path(name)
        listener = PulseListener(folder / "pulses.sock")
        stack.callback(listener.close)
        if driver == "sciencemode4":
            place = ("--link", f"{folder}/device", "--pulses", f"{folder}/pulses.sock")
            stack.enter_context(running("-m", "nmesd.sim.emulate", "p24", *place))
            _wait_for(folder / "device")
        config = folder / "guard.toml"
        config.write_text(GUARD_TOML.format(driver=driver, folder=folder, port=DRIVERS[driver]))
        stack.enter_context(running("-m", "nmesd.guard", str(config)))
        _wait_for(folder / "guard.sock.life")
        engine = stack.enter_context(running("-c", ENGINE, str(folder / "guard.sock")))
        pulses: list[Pulse] = []
        end_s = time.monotonic() + seconds + 1
        while time.monotonic() < end_s and engine.poll() is None:
            pulses += [pulse for pulse in listener.read_all() if pulse.amplitude_ua]
            time.sleep(0.001)
        if engine.poll() is not None:
            raise SystemExit(f"the engine ended: {engine.communicate()[1].decode()}")
        return pulses


def errors_ms(pulses: list[Pulse]) -> list[float]:
    """Interval minus period, of each channel."""
    times: dict[int, list[int]] = defaultdict(list)
    for pulse in pulses:
        times[pulse.channel].append(pulse.given_ns)
    return sorted(
        ms(after - one - PERIOD_US * NS_PER_US)
        for channel in times.values()
        for one, after in pairwise(channel)
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print("| stamped by | cores | pulses | interval error, ms: p50 / p99 / max | rate given |")
    print("|---|---|--:|--:|--:|")
    for driver in DRIVERS:
        for loaded in (False, True):
            with ExitStack() as stack:
                for _ in os.sched_getaffinity(0) if loaded else ():
                    stack.enter_context(running("-c", BURN))
                pulses = measured(driver, options.seconds)
            errors = errors_ms(pulses)
            row = {"driver": driver, "loaded": loaded, "pulses": len(pulses), **_figures(errors)}
            rows.append(row)
            who = "guard" if driver == "sim" else "emulated P24"
            print(
                f"| {who} | {'loaded' if loaded else 'idle'} | {row['pulses']} | {row['p50_ms']:.3f} / "
                f"{row['p99_ms']:.3f} / {row['max_ms']:.3f} | {row['rate_hz']:.3f} Hz |"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _figures(errors: list[float]) -> dict[str, float]:
    p50, p99, most = (errors[math.ceil(share * len(errors)) - 1] for share in (0.5, 0.99, 1))
    mean_us = PERIOD_US + 1000 * sum(errors) / len(errors)
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": most, "rate_hz": 1e6 / mean_us}


def _wait_for(path: Path) -> None:
    end_ns = time.monotonic_ns() + 10 * NS_PER_S
    while not path.exists():
        assert time.monotonic_ns() < end_ns, f"{path} does not come"
        time.sleep(0.01)


if __name__ == "__main__":
    main()
