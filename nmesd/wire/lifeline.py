"""Tells the guard at once that its engine died: a robust mutex in a file that both map.

The end of a connection comes late: a killed process gives its memory back before it closes its files, and an
engine holds a lot of locked memory (measured: 2 to 15 ms). The mutexes it holds are released first, with a mark
that their owner died (futex(2), set_robust_list(2)): 0.4 ms. It can only make a stop come sooner: an engine
without the lifeline is noticed by the end of its connection, and one that is frozen by its lease.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import errno
import mmap
import os
from pathlib import Path

_BYTES = 64  # pthread_mutex_t is 40 on x86-64 and 48 on arm64
_STACK_BYTES = 64 * 1024  # the default of 8 MB would be locked into memory as a whole
_libc = ctypes.CDLL(None)


class Lifeline:
    """The guard's side. `fileno()` becomes readable when a holder died; `clear()` makes it ready for the next."""

    def __init__(self, path: str) -> None:
        """Make the file, always a new one: an old one may still be mapped. Raises OSError."""
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        self._mutex, self._memory = _map(descriptor)
        attributes = ctypes.create_string_buffer(_BYTES)
        _libc.pthread_mutexattr_init(attributes)
        _libc.pthread_mutexattr_setpshared(attributes, 1)
        _libc.pthread_mutexattr_setrobust(attributes, 1)
        if _libc.pthread_mutex_init(self._mutex, attributes):
            raise OSError(errno.ENOTSUP, "no robust mutex on this system", path)
        self._told, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waiting = False

    def fileno(self) -> int:
        """For select."""
        return self._told

    def watch(self) -> None:
        """Begin to wait for the end of whoever holds it now; at once over if nobody does."""
        if not self._waiting:
            self._waiting = True
            _thread.stack_size(_STACK_BYTES)
            _thread.start_new_thread(self._wait, ())

    def clear(self) -> None:
        """Take note of a death."""
        os.read(self._told, 1)

    def close(self) -> None:
        """Remove the file."""
        Path(self._path).unlink()

    def _wait(self) -> None:
        died = (
            _libc.pthread_mutex_lock(self._mutex) == errno.EOWNERDEAD
        )  # waits without the interpreter lock
        if died:
            os.write(self._tell, b"!")
            _libc.pthread_mutex_consistent(self._mutex)
        _libc.pthread_mutex_unlock(self._mutex)
        self._waiting = False


def hold(path: str) -> bool:
    """The engine's side: hold the guard's lifeline until death. Call in the main thread. False: there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        file = os.fstat(descriptor).st_ino
        mutex, memory = _map(descriptor)
    except OSError:
        return False
    if file in _held:
        return True
    _held[file] = memory
    return _libc.pthread_mutex_trylock(mutex) in (0, errno.EOWNERDEAD)


_held: dict[int, mmap.mmap] = {}  # by inode; kept mapped, for the kernel looks at it when we die


def _map(descriptor: int) -> tuple[ctypes.c_void_p, mmap.mmap]:
    memory = mmap.mmap(descriptor, mmap.PAGESIZE)
    os.close(descriptor)
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory))), memory
