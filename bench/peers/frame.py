"""What every receiver writes when it has decided: a frame of the size of a lease, with two times in it."""

from __future__ import annotations

import os
import struct
import time
from typing import Final

from nmesd.wire import ZERO, Lease, encode

SIZE: Final = len(encode(Lease(0, 0, 0, 0, 0, 0, 0, ZERO), 0, 0))  # bytes
TIMES: Final = struct.Struct("<qq")  # time stamp of the newest sample, and when it was decided on


class Teller:
    """Writes to a SOCK_SEQPACKET socket. A chunk decided on is a frame written, whatever the decision was."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._frame = bytearray(SIZE)

    def decided(self, stamp_s: float, *, active: bool = False) -> None:
        """Now: on everything until the sample with this LSL time stamp."""
        self._frame[TIMES.size] = active
        TIMES.pack_into(self._frame, 0, round(stamp_s * 1e9), time.monotonic_ns())
        os.write(self._fd, self._frame)
