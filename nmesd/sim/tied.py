"""Runs a command that ends with whoever started it: `python -m nmesd.sim.tied PARENT COMMAND ...`.

For loads: left over, they would load all that is measured later, or a session. The kernel kills the command when
the thread that started it is gone, whatever became of it. It keeps normal priority.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tied(*command: str) -> list[str]:
    """The command line that runs `command` and ends with this process."""
    return [sys.executable, "-m", "nmesd.sim.tied", str(os.getpid()), *command]


def main(arguments: list[str]) -> None:
    """Process entry: becomes the command, or says why not."""
    parent, command = int(arguments[0]), arguments[1:]
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("this kernel does not tie a process to its parent: nothing was started")
    if os.getppid() != parent:
        sys.exit("whoever started this was gone before the kernel was told")
    os.execvp(command[0], command)  # noqa: S606 - itself, tied


if __name__ == "__main__":
    main(sys.argv[1:])
