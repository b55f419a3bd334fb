"""A serial line for the guard: this process alone, raw bytes, and no call that waits."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import termios

from nmesd.errors import DeviceError

SPEEDS = {  # ScienceMode 1, 2 and 4; what else a driver needs is one line more
    115_200: termios.B115200,
    460_800: termios.B460800,
    3_000_000: termios.B3000000,
}
_READ_BYTES = 4096  # the kernel's own buffer of a terminal
_GONE = {errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF}


class Tty:
    """The open serial port `path`, 8 data bits.

    cflag: what the device needs beyond 8N1, of termios.PARENB, CSTOPB, CRTSCTS. A pty drops PARENB,
    and then refuses the next setting of it (EINVAL, pyserial issue 196): without it there.
    Every method raises DeviceError; once the port is gone it is closed and `fileno` is -1.
    """

    def __init__(self, path: str, speed: int, *, cflag: int = 0) -> None:
        self.path = path
        try:
            # O_NONBLOCK also for open: without it a port waits for a carrier that never comes.
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(_why_not(path, error)) from None
        try:
            # TIOCEXCL refuses every later open, but not root's (tty_ioctl(2)), and flock nobody who
            # does not ask: together they keep out a second guard and whoever types into the port.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
            self._make_raw(SPEEDS[speed], cflag)
        except (OSError, termios.error) as error:
            os.close(self._fd)
            raise DeviceError(_why_not(path, error)) from None

    def fileno(self) -> int:
        """For select; -1 once closed or gone."""
        return self._fd

    def read(self) -> bytes:
        """What has come, b"" if nothing has."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._failed(error) from None
        if not data:  # with VMIN 1 an empty read is the end: the other side has hung up
            raise self._failed(OSError(errno.EIO, "hung up"))
        return data

    def write(self, data: bytes) -> None:
        """Hand all of `data` to the kernel at once, or fail and throw away what it could not send."""
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise self._failed(error) from None
        if written < len(data):
            # Commands that would be sent later are worse than none, and the next stop needs the room.
            with contextlib.suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
            raise DeviceError(
                f"{self.path}: the stimulator does not take what is sent ({written} of {len(data)} "
                "bytes): check that it is switched on"
            )

    def close(self) -> None:
        """Let the port go; again is nothing."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)  # a port that another one holds open keeps it
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -1

    def _make_raw(self, speed: int, cflag: int) -> None:
        cc = termios.tcgetattr(self._fd)[6]
        cc[termios.VMIN], cc[termios.VTIME] = 1, 0
        flags = termios.CS8 | termios.CREAD | termios.CLOCAL | cflag
        termios.tcsetattr(self._fd, termios.TCSANOW, [0, 0, flags, 0, speed, speed, cc])
        termios.tcflush(self._fd, termios.TCIOFLUSH)

    def _failed(self, error: OSError) -> DeviceError:
        self.close()
        return DeviceError(_why_not(self.path, error))


def _why_not(path: str, error: Exception) -> str:
    number = error.args[0] if error.args else 0
    if number in (errno.EWOULDBLOCK, errno.EBUSY):
        return f"{path}: another program has this port: end it (`fuser {path}` names it)"
    if number == errno.ENOENT:
        return f"{path}: no such port: check cable and power, `ls /dev/serial/by-id` lists ports"
    if number in (errno.EACCES, errno.EPERM):
        return f"{path}: not allowed: the guard's user must be in the port's group (dialout)"
    if number == errno.ENOTTY:
        return f"{path}: not a serial port: correct port in [stimulator] of guard.toml"
    if number in _GONE:
        return f"{path}: the stimulator is gone: check its cable and power, then restart the guard"
    return f"{path}: {error}"
