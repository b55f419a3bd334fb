"""Tells at once that another process died: a robust mutex in memory that both map.

The end of a connection comes late: a killed process gives its memory back before it closes its files, and an
engine holds a lot of locked memory (bench/death.py: 2 to 15 ms). The mutexes it holds are released first, with a
mark that their owner died (futex(2), set_robust_list(2)): 0.3 ms. It can only make a stop come sooner: an engine
without the lifeline is noticed by the end of its connection, and one that is frozen by its lease. Engines hold
the guard's, and the daemon holds one for each engine.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import errno
import mmap
import os

_BYTES = 64  # pthread_mutex_t is 40 on x86-64 and 48 on arm64
_STACK_BYTES = 64 * 1024  # the default of 8 MB would be locked into memory as a whole
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_size_t
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_FAILED = 2 ** (8 * ctypes.sizeof(ctypes.c_size_t)) - 1  # MAP_FAILED


class Watch:
    """The side of who wants to know: `fileno()` becomes readable when the holder died."""

    def __init__(self, descriptor: int) -> None:
        """Map the lifeline behind `descriptor`, which is closed."""
        self._mutex = _map(descriptor)
        self._told, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waiting = False

    def fileno(self) -> int:
        """For select."""
        return self._told

    def watch(self) -> None:
        """Begin to wait for the end of whoever holds it now; at once over if nobody does."""
        if not self._waiting:
            self._waiting = True
            # It holds for every thread that begins from then on, and numpy in one needs more.
            others = _thread.stack_size(_STACK_BYTES)
            try:
                _thread.start_new_thread(self._wait, ())
            finally:
                _thread.stack_size(others)

    def clear(self) -> None:
        """Take note of a death."""
        os.read(self._told, 1)

    def _wait(self) -> None:
        died = (
            _libc.pthread_mutex_lock(self._mutex) == errno.EOWNERDEAD
        )  # waits without the interpreter lock
        if died:
            os.write(self._tell, b"!")
            _libc.pthread_mutex_consistent(self._mutex)
        _libc.pthread_mutex_unlock(self._mutex)
        self._waiting = False


class Lifeline(Watch):
    """The guard's: a file beside its socket, to be held by whatever engine comes."""

    def __init__(self, path: str) -> None:
        """Make the file, always a new one: an old one may still be mapped. Raises OSError."""
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        os.ftruncate(descriptor, mmap.PAGESIZE)
        super().__init__(descriptor)
        _make(self._mutex)

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def hold(path: str) -> bool:
    """The engine's side: hold the guard's lifeline until death. Call in the main thread. False: there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        file = os.fstat(descriptor).st_ino
        mutex = _map(descriptor)
    except OSError:
        return False
    if file in _held:
        return True
    _held.add(file)
    return _libc.pthread_mutex_trylock(mutex) in (0, errno.EOWNERDEAD)


def held() -> int:
    """The daemon's: a new lifeline, held until death, as a descriptor for the engine it is about to start.

    Call in the main thread.
    """
    descriptor = os.memfd_create("nmesd-lifeline")
    os.ftruncate(descriptor, mmap.PAGESIZE)
    mutex = _map(os.dup(descriptor))
    _make(mutex)
    _libc.pthread_mutex_lock(mutex)
    return descriptor


_held: set[int] = set()  # inodes: a mutex cannot be taken twice


def _make(mutex: ctypes.c_void_p) -> None:
    attributes = ctypes.create_string_buffer(_BYTES)
    _libc.pthread_mutexattr_init(attributes)
    _libc.pthread_mutexattr_setpshared(attributes, 1)
    _libc.pthread_mutexattr_setrobust(attributes, 1)
    if _libc.pthread_mutex_init(mutex, attributes):
        raise OSError(errno.ENOTSUP, "no robust mutex on this system")


def _map(descriptor: int) -> ctypes.c_void_p:
    """The address. Never unmapped, not even at an orderly end: the kernel looks there when we are gone."""
    address: int = _libc.mmap(
        None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0
    )
    os.close(descriptor)
    if address == _FAILED:
        raise OSError(ctypes.get_errno(), "a lifeline cannot be mapped")
    return ctypes.c_void_p(address)
