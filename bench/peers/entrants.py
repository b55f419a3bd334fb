"""Who is measured over LSL, each with the best setting its documentation gives; what is missing here is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Final

from bench.peers.armed import armed
from bench.peers.place import Place
from bench.peers.running import Running, c_floor, no_compiler, python_receiver

Start = Callable[..., AbstractContextManager[Running]]  # (place, real_time=)

NMESD: Final = "nmesd"
FLOOR_C: Final = "floor, C"
FLOOR_PYTHON: Final = "floor, Python"
LEASE_MS: Final = 20  # the product's default
LEASE_NO_RIGHTS_MS: Final = 40  # what a unit without rights is given, see nmesd.sim.rig


@dataclass(frozen=True, slots=True)
class Entrant:
    """One of them."""

    name: str
    about: str
    start: Start
    lacking: str = ""  # why it cannot be measured here
    peer: str = ""  # whose variant it is


def _nmesd(place: Place, *, real_time: bool) -> AbstractContextManager[Running]:
    return armed(place, LEASE_MS if real_time else LEASE_NO_RIGHTS_MS, real_time=real_time)


def _peer(name: str, about: str, module: str, needs: str, *more: str) -> Entrant:
    peer = needs.partition(".")[0].replace("_", "-")
    try:
        found = find_spec(needs) is not None
    except ModuleNotFoundError:
        found = False
    lacking = "" if found else f"{peer} is not installed here: make peers"
    return Entrant(name, about, partial(_module, module, *more), lacking, peer)


def _module(
    module: str, *more: str, place: Place, real_time: bool
) -> AbstractContextManager[Running]:
    return python_receiver(place, module, *more, real_time=real_time)


def entrants() -> list[Entrant]:
    """In the order of the tables."""
    return [
        Entrant(
            FLOOR_C, "`floor.c`: liblsl pulls, a frame is written; nothing computed", c_floor,
            no_compiler(),
        ),
        Entrant(
            FLOOR_PYTHON, "pylsl pulls into memory that is there, a frame is written; nothing computed",
            partial(_module, "floor_python"),
        ),
        Entrant(
            NMESD, "all of the product: engine, guard and daemon, armed, every channel a muscle", _nmesd
        ),
        Entrant(
            "pylsl + scipy", "`pull_chunk(min_samples=1, as_numpy=True)`, two `sosfilt` calls",
            partial(_module, "plain"), peer="pylsl",
        ),
        _peer(
            "mne-lsl, callback", "`StreamLSL.filter` and a callback, `acquisition_delay=0.001` (default)",
            "mne_callback", "mne_lsl", "0.001",
        ),
        _peer(
            "mne-lsl, callback, 0.1 ms", "the same, `acquisition_delay=0.0001`",
            "mne_callback", "mne_lsl", "0.0001",
        ),
        _peer(
            "mne-lsl, polling", "`StreamLSL.filter`, `n_new_samples` and `get_data` every 1 ms",
            "mne_polling", "mne_lsl",
        ),
        _peer(
            "ezmsg, graph", "`LSLInletUnit(proc_none)` and a unit of joined processors, one process",
            "ezmsg_units", "ezmsg.lsl",
        ),
        _peer(
            "ezmsg, no graph", "`LSLInletProducer(proc_none)` and joined processors, awaited in a loop",
            "ezmsg_alone", "ezmsg.lsl",
        ),
    ]  # fmt: skip
