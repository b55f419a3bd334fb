"""`nmesd amplitude`: the sensory, motor and comfort level of one stimulator channel, a train at a time.

Every train is asked for by the operator, at most one step over the highest before it (the core refuses more), and
runs through daemon, engine and guard like any other: recorded, leased, limited. It begins at zero, and ends
disarmed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w

from nmesd.daemon.client import ask
from nmesd.daemon.files import Files, read_files
from nmesd.daemon.levels import LevelsFile
from nmesd.daemon.record import now_utc
from nmesd.errors import ConfigError, LinkError

PROGRAMME: Final = "amplitude"
READY_S: Final = 15.0  # a new engine, and its guard
POLL_S: Final = 0.05
MARKS: Final = {"s": "sensory_ma", "m": "motor_ma", "c": "comfort_ma"}
HELP: Final = (
    "Enter: one step up and give it   r: give it again   -: one step down and give it   "
    "s: felt   m: muscle moves   c: highest that is wanted, and end   q: end"
)

Prompt = Callable[[str], str]
Say = Callable[[str], None]


@dataclass
class Levels:
    """What was found so far, in milliamperes."""

    step_ma: float
    given_ma: float = 0.0
    found: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str) -> bool:
        """Keep what was given last as this level, unless it contradicts the others."""
        found = {**self.found, name: self.given_ma}
        felt_ma = found.get("sensory_ma", 0.0)
        if any(ma < felt_ma for ma in found.values()):
            return False
        self.found = found
        return True

    def text(self) -> str:
        """One line, state first."""
        marks = "  ".join(f"{name[:-3]} {self.found.get(name, '–')}" for name in MARKS.values())
        return f"last given {self.given_ma:g} mA   {marks}"


class Finder:
    """One channel of one patient, with an operator at the keyboard."""

    def __init__(self, config: Path, channel: int, operator: str, prompt: Prompt, say: Say) -> None:
        """Raises ConfigError if the channel is none of patient.toml, or the programme is not there."""
        self._files = read_files(config, PROGRAMME)
        self._control = self._files.settings.control.socket
        self._channel, self._operator = channel, operator
        self._prompt, self._say = prompt, say
        self._muscle = _muscle_of(self._files, channel)
        self.levels = Levels(self._files.programme.train.step_ma)

    def run(self) -> LevelsFile:
        """Reload, arm, go through the levels, disarm, and go back to the programme of nmesd.toml.

        Raises NmesdError if it trips or cannot be armed; whatever happens, it ends disarmed.
        """
        self._do("reload", programme=PROGRAMME)
        try:
            self._wait("DISARMED")
            self._do("arm", operator=self._operator)
            try:
                self._say(f"ARMED, at zero, channel {self._channel}, {self._muscle}\n{HELP}")
                self._levels()
            finally:
                self._do("disarm", operator=self._operator)
        finally:
            self._do("reload")
        return self._file()

    def _levels(self) -> None:
        levels = self.levels
        while True:
            answer = self._prompt(levels.text()).strip().lower()
            if answer == "q":
                return
            if answer in MARKS:
                if not levels.given_ma:
                    self._say("nothing was given yet")
                    continue
                if not levels.mark(MARKS[answer]):
                    self._say("not kept: motor and comfort level cannot be below the sensory one")
                elif answer == "c":
                    return
                continue
            steps = {"": 1, "r": 0, "-": -1}.get(answer)
            if steps is None:
                self._say(HELP)
                continue
            self._give(round(levels.given_ma + steps * levels.step_ma, 3))

    def _give(self, amplitude_ma: float) -> None:
        if amplitude_ma <= 0:
            self._say("that would be nothing")
            return
        self._wait("REST")
        train = {"channel": self._channel, "amplitude_ma": amplitude_ma}
        answer = self._ask("give", operator=self._operator, **train)
        while answer.get("reason") == "LIMIT_REST":  # the pause between two is not over
            time.sleep(POLL_S)
            answer = self._ask("give", operator=self._operator, **train)
        if not answer["ok"]:
            self._say(f"not given: {answer['text']}")
            return
        self.levels.given_ma = amplitude_ma
        self._wait("REST")

    def _wait(self, state: str) -> None:
        """Until it is so and nothing is in its way. Raises NmesdError on a trip, or if it takes too long."""
        until_s = time.monotonic() + READY_S
        while True:
            now = self._ask("status")
            if now["state"] == state and not (state == "DISARMED" and now.get("inhibits")):
                return
            if now["state"] == "TRIPPED" or time.monotonic() > until_s:
                raise LinkError(f"{now['state']}: {now['text']}")
            time.sleep(POLL_S)

    def _ask(self, command: str, **values: Any) -> dict[str, Any]:
        return ask(self._control, command, **values)

    def _do(self, command: str, **values: Any) -> None:
        answer = self._ask(command, timeout_s=10.0, **values)
        if not answer["ok"]:
            raise LinkError(answer["text"])

    def _file(self) -> LevelsFile:
        train = self._files.programme.train
        return LevelsFile.model_validate({
            "made": now_utc().isoformat(timespec="seconds"),
            "operator": self._operator,
            "patient": self._files.patient.code,
            "muscle": self._muscle,
            "channel": self._channel,
            "pulse_width_us": train.pulse_width_us,
            "rate_hz": train.rate_hz,
            **self.levels.found,
        })  # fmt: skip


def _muscle_of(files: Files, channel: int) -> str:
    for muscle in files.patient.muscle:
        if channel in [output.channel for output in muscle.output]:
            return muscle.label
    known = [output.channel for muscle in files.patient.muscle for output in muscle.output]
    raise ConfigError(f"channel = {channel} is no output of patient.toml: there are {known}")


def write(found: LevelsFile, folder: Path) -> Path:
    """The file. Raises ConfigError."""
    code = "".join(c if c.isalnum() else "_" for c in found.patient)
    path = folder / f"{found.made[:16]}-{code}-channel-{found.channel}-amplitude.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(
                "# nmesd amplitude wrote this: levels of one channel on one person, one day.\n"
            )
            file.write(tomli_w.dumps(found.model_dump(exclude_none=True)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from None
    return path
