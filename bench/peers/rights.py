"""With and without real-time rights, also for root: `python -m bench.peers.rights COMMAND ...` runs it without.

What a process without rights is measured for is a unit on which nobody gave them. Root has them unless they are
taken away before the program begins.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

_PR_CAPBSET_DROP: Final = 24  # linux/prctl.h
_CAPABILITIES: Final = (14, 23)  # CAP_IPC_LOCK, CAP_SYS_NICE: linux/capability.h


def without(*command: str) -> list[str]:
    """The command line that runs `command` without them."""
    return [sys.executable, "-m", "bench.peers.rights", *command]


def main(command: list[str]) -> None:
    """Process entry: becomes the command. Whoever is measured says what it was granted."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in _CAPABILITIES:
        libc.prctl(_PR_CAPBSET_DROP, capability)  # not granted to others than root, who have none
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (0, 0))
    os.execvp(command[0], command)  # noqa: S606 - itself, with less


if __name__ == "__main__":
    main(sys.argv[1:])
