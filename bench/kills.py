"""Kills a process that writes a record, at random moments, and reads what is left: `python -m bench.kills`.

After each kill -9 the record must be as it was written up to its last sync, and follow from its chain; then, as
after a power cut, again with everything cut off at random behind the last sync. Says what a kill has cost at most.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmesd.core.values import Arm
from nmesd.daemon.record import SYNC_S
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.names import COVERED, EVENTS, SIGNALS
from nmesd.wire import Raw

RATE_HZ, CHUNK = 1000, 4
STEP = struct.Struct("<Q")


class Left(NamedTuple):
    """What a kill left."""

    synced: int  # samples that were on the disk for sure
    told: int  # to the writer
    kept: int


def frame(first: int) -> Raw:
    """Samples that count on."""
    emg = np.arange(first, first + CHUNK, dtype=np.float32)
    stamps_ns = np.arange(first, first + CHUNK, dtype=np.int64) * (10**9 // RATE_HZ)
    return Raw(1, first, CHUNK, 1, first, stamps_ns.tobytes() + emg.tobytes())


def write_for_ever(folder: Path, sync_s: float, told: mmap.mmap, synced: int) -> None:
    """In the child: EMG in real time, and a journal; a thread syncs."""
    writer, count = Writer(folder, {}, b"{}"), 0

    def sync() -> None:
        while True:
            before = count
            writer.sync()
            os.write(synced, STEP.pack(before))
            time.sleep(sync_s)

    threading.Thread(target=sync, daemon=True).start()
    began_s = time.monotonic()
    while True:
        while count < RATE_HZ * (time.monotonic() - began_s):
            writer.raw(frame(count))
            writer.entry(count, Arm(count, 7, 0))
            count += CHUNK
            told[: STEP.size] = STEP.pack(count)
        time.sleep(0.002)


def one_kill(folder: Path, sync_s: float, after_s: float) -> Left:
    """Start, wait, kill, read."""
    told = mmap.mmap(-1, STEP.size)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            write_for_ever(folder, sync_s, told, write)
        finally:
            os._exit(1)
    os.close(write)
    first = os.read(read, STEP.size)  # the folder is made, and synced once
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    data = first
    while piece := os.read(read, 4096):
        data += piece
    os.close(read)
    synced = STEP.unpack(data[-STEP.size :])[0]
    return Left(synced, STEP.unpack(told[: STEP.size])[0], look(folder, synced))


def look(folder: Path, synced: int) -> int:
    """How many samples are there. Raises AssertionError if anything is not as it was written, or was synced."""
    record = Folder(folder)
    found = record.verify()
    assert found.good, found.text
    emg = [chunk.samples[:, 0] for chunk in record.emg()]
    kept = np.concatenate(emg) if emg else np.empty(0)
    assert np.array_equal(kept, np.arange(len(kept))), "samples are not as they were written"
    assert len(kept) >= synced, f"{synced} samples were synced, {len(kept)} are there"
    hops = [hop for hop, _ in record.entries()]
    assert hops == list(range(0, CHUNK * len(hops), CHUNK)), "entries are missing"
    assert CHUNK * len(hops) >= synced, f"{synced} entries were synced, {len(hops)} are there"
    return len(kept)


def cut(folder: Path, rng: np.random.Generator) -> None:
    """As a power cut may leave it: anything behind the last sync is gone, or half there."""
    events = folder / EVENTS
    text = events.read_bytes()
    lines = text.splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if f'"{COVERED}"'.encode() in line)
    (size, _) = json.loads(lines[last])[SIGNALS]
    synced = sum(map(len, lines[: last + 1]))
    os.truncate(events, int(rng.integers(synced, len(text) + 1)))
    xdf = folder / SIGNALS
    os.truncate(xdf, int(rng.integers(size, xdf.stat().st_size + 1)))


def main() -> int:
    """Kill, look, cut, look; 1 if anything was lost that was synced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sync", type=float, default=SYNC_S, help="s between two syncs")
    parser.add_argument("--span", type=float, default=2.0, help="s within which the kill comes")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    root = Path(tempfile.mkdtemp(prefix="nmesd-kills-"))
    lost_s: list[float] = []
    try:
        for number in range(arguments.kills):
            folder = root / str(number)
            left = one_kill(folder, arguments.sync, float(rng.uniform(0, arguments.span)))
            cut(folder, rng)
            look(folder, left.synced)
            lost_s.append((left.told - left.kept) / RATE_HZ)
            shutil.rmtree(folder)
    except AssertionError as error:
        print(f"kill {len(lost_s) + 1} of {arguments.kills}: {error}; left in {root}")
        return 1
    shutil.rmtree(root)
    median_s, most_s = round(float(np.median(lost_s)), 3), round(max(lost_s), 3)
    print(json.dumps({"kills": len(lost_s), "lost_s_median": median_s, "lost_s_max": most_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
