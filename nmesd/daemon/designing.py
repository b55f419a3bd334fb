"""Where chains are designed: by a daemon in a process of its own, by everything else in its own process.

scipy takes a second to load, and 70 MB for as long as a process lasts that has loaded it. A daemon needs it once,
so a child does it: `python -m nmesd.daemon.designing`, a `ChainSpec` as JSON in, its coefficients as JSON out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Final

from dsp.coefficients import ChainCoefficients
from dsp.spec import ChainSpec
from nmesd.errors import ConfigError

LONGEST_S: Final = 60.0  # scipy from a slow card, on a busy machine
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}  # threads it would only start and end


class Designer:
    """Designs here, until it is told to do so elsewhere."""

    def __init__(self) -> None:
        self._ahead: subprocess.Popen[bytes] | None = (
            None  # loads scipy, and waits for what to design
        )
        self._elsewhere = False
        self._known: dict[ChainSpec, ChainCoefficients] = {}  # the last one: that of every reload

    def go_elsewhere(self) -> None:
        """From now on in children. The first starts at once, and loads while its parent does."""
        self._elsewhere, self._ahead = True, self._start()

    def dismiss(self) -> None:
        """Nothing was designed, nor is it soon: a child that waits for it would keep scipy in memory."""
        if self._ahead is not None:
            with self._ahead:
                self._ahead.kill()
            self._ahead = None

    def design(self, spec: ChainSpec) -> ChainCoefficients:
        """The coefficients of `spec`. Raises ConfigError if a child fails."""
        if not self._elsewhere:
            from dsp.design import design  # noqa: PLC0415 - scipy: see above

            return design(spec)
        if spec not in self._known:
            self._known = {spec: self._ask(spec)}
        return self._known[spec]

    def _ask(self, spec: ChainSpec) -> ChainCoefficients:
        child, self._ahead = self._ahead or self._start(), None
        with child:
            try:
                told, _ = child.communicate(json.dumps(asdict(spec)).encode(), LONGEST_S)
            except subprocess.TimeoutExpired:
                child.kill()
                raise ConfigError(f"the filters were not designed within {LONGEST_S:g} s") from None
        if child.returncode:
            raise ConfigError(
                f"the filters could not be designed, exit code {child.returncode}: see what is said above"
            )
        return ChainCoefficients.from_dict(json.loads(told))

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "nmesd.daemon.designing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the parent: with it the child's input ends, and so does it
        )


DESIGNER: Final = Designer()


def main() -> None:
    """The child: nothing to design is no error, its parent has ended."""
    from dsp.design import design  # noqa: PLC0415 - not for who imports this file

    if told := sys.stdin.buffer.read():
        coefficients = design(ChainSpec(**json.loads(told)))
        sys.stdout.write(json.dumps(coefficients.to_dict()))


if __name__ == "__main__":
    main()
