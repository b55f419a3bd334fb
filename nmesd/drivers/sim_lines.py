"""What the guard and the emulated device say to each other.

A line of ASCII each way, sealed with a CRC-16 (XMODEM, as ScienceMode 4 has) in four hexadecimal digits:

    7 give 1 20000 250 28572*3F1C    number, command; channel, amplitude in µA, width in µs, period in µs,
                                     for every channel that shall give. A channel not named is silent.
    8 stop*....                      give nothing
    9 live*....                      keep-alive while giving
    1 who*....                       model, channels, dead-man in ms, idle or giving

    ok 7 [facts of who]              done
    error range 7                    refused, nothing changed: a value out of range
    error line 0                     refused: a damaged or unknown line
    error idle 9                     `live` to a device that gives nothing: it has stopped by itself
    error electrode 1                unasked-for: channel 1 has stopped

Without a valid command for its dead-man it stops by itself, and gives again only after a new `give`.
"""

from __future__ import annotations

import binascii

from nmesd.errors import DeviceError, Reason
from nmesd.wire import Output

MAX_LINE = 400  # bytes; eight channels need under 300


def sealed(text: str) -> bytes:
    """A line for the wire."""
    data = text.encode("ascii")
    return b"%s*%04X\n" % (data, binascii.crc_hqx(data, 0))


def unsealed(line: bytes) -> str:
    """The text of a line, its newline removed. Raises DEVICE_ANSWER if it is damaged."""
    data, _, seal = line.rpartition(b"*")
    if seal != b"%04X" % binascii.crc_hqx(data, 0) or not data.isascii():
        raise odd(line)
    return data.decode("ascii")


def coded(output: Output) -> str:
    """The numbers of a `give`."""
    return "".join(
        f" {channel} {wanted.amplitude_ua} {wanted.pulse_width_us} {wanted.period_us}"
        for channel, wanted in enumerate(output, 1)
        if wanted.amplitude_ua
    )


def odd(line: bytes) -> DeviceError:
    """What to raise about a line that means nothing."""
    return DeviceError(
        f"the stimulator said what cannot be understood: {line[:40]!r}", Reason.DEVICE_ANSWER
    )
