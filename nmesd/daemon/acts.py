"""What an operator may ask of the engine, and what need not be asked: it makes no sense as things are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from nmesd.core.values import ARMED_MODES, CoreSettings, Mode
from nmesd.units import UA_PER_MA
from nmesd.wire import ActKind

ACTS: Final = {
    "arm": ActKind.ARM,
    "disarm": ActKind.DISARM,
    "stop": ActKind.STOP,
    "reset": ActKind.RESET,
    "pause": ActKind.PAUSE,
    "resume": ActKind.RESUME,
    "release": ActKind.RELEASE,
    "give": ActKind.GIVE,
}
OTHERS: Final = ("status", "timing", "watch", "reload")  # the daemon's own business
MOST_MA: Final = 130  # what any device can give: see docs/safety.md
NOT_TO_GIVE: Final = (
    "give needs the channel of an output of patient.toml and amplitude_ma, a number"
)
_NAMED: Final = ("arm", "reset", "give")  # nobody is not an operator
_WHILE_ARMED: Final = ("pause", "resume", "release", "give")


def senseless(request: Mapping[str, Any], patient: str, mode: Mode) -> str | None:
    """Why the engine need not be asked, in words; None if it has to be. patient: the code in the file."""
    command = request["command"]
    if command not in ACTS:
        return f"unknown command {command!r}; known are {', '.join((*OTHERS, *ACTS))}"
    if command in _NAMED and not request.get("operator"):
        return f"{command} needs the operator's name: nmesd {command} --operator NAME"
    if command == "arm" and request.get("patient", patient) != patient:
        return f"the file is of patient {patient!r}, not {request['patient']!r}: see [session] of nmesd.toml"
    if command in _WHILE_ARMED and mode not in ARMED_MODES:
        return f"nothing to {command}: {mode.name}"
    return None


def to_give(request: Mapping[str, Any], core: CoreSettings) -> tuple[int, int] | None:
    """Which muscle of the core, and how many microamperes; None if that is not what was said."""
    channel, amplitude_ma = request.get("channel"), request.get("amplitude_ma")
    if isinstance(amplitude_ma, bool) or not isinstance(amplitude_ma, int | float):
        return None
    if not 0 <= amplitude_ma <= MOST_MA:
        return None
    for number, muscle in enumerate(core.muscles):
        if [output.channel + 1 for output in muscle.outputs] == [channel]:
            return number, round(amplitude_ma * UA_PER_MA)
    return None


def operator_number(name: str) -> int:
    """The number of an operator in frames and journal: 56 bits of a hash, never 0, which stands for nobody.

    No name, as for a disarm or a stop, has its number too: it is a person's act.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little") or 1
