"""The floor in Python: pull from liblsl, write a frame as long as a lease to another process.

That reads its clock; nothing is processed; see receiving.py. No loop of two Python processes over LSL is quicker.
"""

from __future__ import annotations

import os
import select
import socket
import struct

import numpy as np
import pylsl

from bench.peers.receiving import Taken, asked, go_real_time

LEASE_BYTES = 158  # of nmesd's own frame
_STAMP = struct.Struct("<d")


def reads(end: socket.socket) -> None:
    """The other process: takes the time of each frame."""
    wanted = asked()
    go_real_time(wanted.priority and wanted.priority + 10)  # as the guard over the engine
    taken, going = Taken(wanted), True
    while going:
        select.select([end], [], [])
        going = taken.add(_STAMP.unpack_from(end.recv(LEASE_BYTES))[0])
    taken.save()


def main() -> None:
    """Pull and write."""
    wanted = asked()
    (found,) = pylsl.resolve_byprop("name", wanted.stream, timeout=10)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not (child := os.fork()):
        near.close()
        reads(far)
        os._exit(0)
    far.close()
    go_real_time(wanted.priority)
    inlet = pylsl.StreamInlet(found, max_buflen=1, recover=False)
    inlet.open_stream()
    room = np.empty((4096, found.channel_count()), np.float32)
    frame = bytearray(LEASE_BYTES)
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        _, stamps = inlet.pull_chunk(
            timeout=0.1, min_samples=1, max_samples=len(room), dest_obj=room, as_numpy=True
        )
        if len(stamps):
            _STAMP.pack_into(frame, 0, stamps[-1])
            try:
                near.send(frame)
            except OSError:
                return


if __name__ == "__main__":
    main()
