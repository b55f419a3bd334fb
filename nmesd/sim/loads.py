"""What loads a machine: `python -m nmesd.sim.loads KIND ...`, until SIGTERM; then it says how much it did.

    burn CORE SHARE           so much of a core is busy, 0 to 1
    disk FILE                 1 MB and an fsync, four times a second, in a file of 64 MB at most, which it removes
    flood PORT UNIT SIZE RATE SECONDS
                              MQTT messages to a unit's command topic: bytes (0: the text "arm"), how many a second
    pages HOST PORT COUNT     pages of the monitor that read what comes

`started` starts one that ends with whoever started it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from nmesd.sim.tied import tied

SLICE_S = 0.01  # of burning and pausing
BLOCK = os.urandom(1 << 20)
BLOCKS, BLOCK_S = 64, 0.25  # an SD card bears it: 240 MB in a minute
FLOOD_S = 0.005  # between two bunches of messages
_ending = False


def started(kind: str, *arguments: object) -> subprocess.Popen[str]:
    """One of them, as a process of its own; ends with this one."""
    command = tied(sys.executable, "-m", "nmesd.sim.loads", kind, *map(str, arguments))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(load: subprocess.Popen[str]) -> int:
    """End it; how much it did, 0 if it did not get to say so."""
    load.terminate()
    try:
        said = load.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired:
        load.kill()
        said = load.communicate()[0]
    return int(said or 0)


def burn(core: int, share: float) -> int:
    """Until the end; gives milliseconds that were burnt."""
    os.sched_setaffinity(0, {core})
    while not _ending:
        until_s = time.perf_counter() + SLICE_S * share
        while time.perf_counter() < until_s:
            pass
        if share < 1:
            time.sleep(SLICE_S * (1 - share))
    return round(time.process_time() * 1000)


def disk(path: Path) -> int:
    """Until the end; gives blocks that were written and synced."""
    written = 0
    with path.open("wb", buffering=0) as file:
        path.unlink()  # gone by itself, whatever becomes of this process
        while not _ending:
            file.seek(written % BLOCKS * len(BLOCK))
            file.write(BLOCK)
            os.fsync(file.fileno())
            written += 1
            time.sleep(BLOCK_S)
    return written


def flood(port: int, unit: str, size: int, rate: float, seconds: float) -> int:
    """MQTT 3.1.1 by hand: a client library sends less than a thousand a second beside all that runs here."""
    message = _packet(0x30, _text(f"nmesd/{unit}/command".encode()) + (b"x" * size or b"arm"))
    began, sent = time.monotonic(), 0
    with socket.create_connection(("localhost", port)) as sock:
        name = _text(b"flood%d" % os.getpid())
        sock.sendall(_packet(0x10, _text(b"MQTT") + bytes((4, 2, 0, 0)) + name))
        sock.recv(4)
        while not _ending and (now := time.monotonic() - began) < seconds:
            due = int(now * rate) - sent
            sock.sendall(message * due)
            sent += due
            time.sleep(FLOOD_S)
    return sent


def pages(host: str, port: int, count: int) -> int:
    """Until the end; gives kilobytes that were read."""
    held, read = [], 0
    for _ in range(count):
        page = socket.create_connection((host, port))
        page.sendall(f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        held.append(page)
    while not _ending:
        for page in select.select(held, [], [], 0.1)[0]:
            data = page.recv(65536)
            read += len(data)
            if not data:
                held.remove(page)
    return read >> 10


def _packet(kind: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | 128 * (size > 0)])
        if not size:
            return bytes([kind]) + length + content


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def main(arguments: list[str]) -> int:
    """Process entry."""

    def end(*_: object) -> None:
        global _ending  # noqa: PLW0603 - a signal handler has no other way
        _ending = True

    signal.signal(signal.SIGTERM, end)
    match arguments:
        case ["burn", core, share]:
            done = burn(int(core), float(share))
        case ["disk", path]:
            done = disk(Path(path))
        case ["flood", port, unit, size, rate, seconds]:
            done = flood(int(port), unit, int(size), float(rate), float(seconds))
        case ["pages", host, port, count]:
            done = pages(host, int(port), int(count))
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
