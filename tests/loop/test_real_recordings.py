"""Real EMG through the real processes: player -> LSL -> daemon and engine -> guard -> simulated stimulator.

Thresholds come from rest that is found in each file without its labels; every other setting is the same for
all files. The labels only judge.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nmesd.daemon.patient import ThresholdSection
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.sessions.folder import Folder
from nmesd.sessions.recording import read_recording
from nmesd.sessions.replay import replay
from nmesd.sim.session_files import one_muscle
from nmesd.sim.stalls import LATE_MS, STOOD_MS, trip
from nmesd.sim.witness import Witness

FILTER: dict[str, Any] = {}  # the defaults
FALSE_PER_MIN = 0.2
TRAIN = {
    "amplitude_ma": 20,
    "pulse_width_us": 250,
    "rate_hz": 35,
    "ramp_up_s": 0.2,
    "plateau_s": 0.6,
    "ramp_down_s": 0.2,
    "hold_off_s": 0.5,
    "relax_s": 0.3,
}
EARLY_S = (
    0.15  # the labels' own error, and an envelope that sees the foot of a slow rise before them
)


class File(NamedTuple):
    """What is asked of one file.

    An arming takes some tenths of a second of wall time, `speed` times as much of the recording's,
    and must be over before the first attempt.
    """

    name: str
    speed: int
    attempts: int
    at_least: int


FILES = [
    File("sci_hand_4000hz", speed=4, attempts=5, at_least=4),
    File("tibialis_anterior_250hz", speed=15, attempts=56, at_least=50),
    File("biceps_bursts_1000hz", speed=2, attempts=9, at_least=8),
]


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    """Who sees the machine stand still."""
    with Witness(LATE_MS) as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_attempts_are_answered_and_rest_is_not(
    file: File, data_dir: Path, make_bench: Callable[..., Any], witness: Witness, tmp_path: Path
) -> None:
    """On a machine that stands still for a moment the guard rightly ends it: then once more."""
    stood_still = ""
    for number in range(3):
        stood_still = played(file, data_dir, make_bench, witness, tmp_path / str(number))
        if not stood_still:
            return
    pytest.skip(f"this machine stands still: {stood_still}")


def played(
    file: File, data_dir: Path, make_bench: Callable[..., Any], witness: Witness, record: Path
) -> str:
    """One run, judged, and replayed from its record; or how the machine stood still in it."""
    path = data_dir / f"{file.name}.xdf"
    recording = read_recording(path)
    assert len(recording.onsets_s) == file.attempts
    wanted = ThresholdSection(false_per_min=FALSE_PER_MIN, calibration="found here")
    found = from_rest(recording, None, FilterSection(**FILTER), section=wanted)

    bench = make_bench(
        {
            "stream": {
                "name": file.name,
                "source_id": "player",
                "rate_hz": recording.fs_hz,
                "labels": list(recording.labels),
                "speed": file.speed,
            },
            "filter": FILTER,
            # At speed too the guard wants a quarter of a second between trains.
            **one_muscle(
                recording.labels[0],
                found.section,
                {**TRAIN, "hold_off_s": max(TRAIN["hold_off_s"], 0.25 * file.speed)},
            ),
        },
        record=record,
    )
    rig = bench.rig
    bench.inhibited("EMG_NO_STREAM")  # daemon and engine are up before the first sample is sent
    player = rig.start(
        "nmesd.sim.player", str(path), "--source-id", "player",
        "--speed", str(file.speed), "--chunk-ms", "2",
    )  # fmt: skip
    started_ns = round(bench.event(player, "started")["lsl_start"] * 1e9)

    def recording_s(monotonic_ns: int) -> float:
        return float((monotonic_ns - started_ns) / 1e9 * file.speed)

    rig.arm("test")
    armed_s = recording_s(time.monotonic_ns())
    assert armed_s < recording.onsets_s[0][0], "armed too late to judge the first attempt"
    duration_s = recording.duration_s

    def over() -> bool:
        return any(event["event"] == "ended" for event in list(player.events))

    bench.until(
        lambda: over() or rig.status()["state"] == "TRIPPED",
        "end of the recording",
        duration_s / file.speed + 20,
    )
    time.sleep(0.1)  # at the end too no more samples come: that trip is not the question here
    state = rig.status()
    if not over():
        player.end()
        seen = trip(rig, state, witness, 0)
        assert seen["stood_ms"] >= STOOD_MS, (
            f"tripped, and the machine did not stand still: {state}"
        )
        return str(state["text"])
    ended = bench.event(player, "ended", 1)
    assert ended["samples"] == len(recording.emg_uv), f"tripped before the end: {state}"

    trains = trains_of([pulse.given_ns for pulse in rig.currents()], file.speed)
    starts_s = [recording_s(given_ns) for given_ns, _ in trains]
    stimulated = [
        [start - onset for start in starts_s if onset - EARLY_S <= start <= offset]
        for onset, offset in recording.onsets_s
    ]
    true = sum(bool(delays) for delays in stimulated)
    false = len(starts_s) - sum(len(delays) > 0 for delays in stimulated)
    delays_ms = sorted(1000 * delays[0] for delays in stimulated if delays)
    print(  # noqa: T201 - pytest -rP shows the figures
        f"{file.name}: on {found.on_uv:.2f} uV, off {found.off_uv:.2f} uV, speed {file.speed}, "
        f"armed at {armed_s:.2f} s; "
        f"stimulated {true} of {file.attempts}, {len(trains)} trains, false {false} in {duration_s / 60:.1f} min; "
        f"first pulse {delays_ms[0]:.0f} / {delays_ms[len(delays_ms) // 2]:.0f} / {delays_ms[-1]:.0f} ms "
        f"(min / median / max of recording time) after the label; {len(rig.currents())} pulses; "
        f"step at most {state['step_max_ms']:.2f} ms"
    )
    assert true >= file.at_least
    assert false <= duration_s / 60
    assert state["trains"] == len(trains)  # what was decided is what was given
    rig.end(rig.daemon)
    again = replay(Folder(record))
    assert again.diverged is None
    assert again.session_s > recording.onsets_s[-1][0]
    return ""


def trains_of(given_ns: list[int], speed: int) -> list[tuple[int, int]]:
    """(first, last pulse) of each train; pulses further apart than half the shortest pause belong to two."""
    shortest_pause_ns = (TRAIN["hold_off_s"] + TRAIN["relax_s"]) * 1e9 / speed
    # At speed the pause shrinks and the pulse period does not: two periods still tell them apart.
    gap_ns = max(shortest_pause_ns / 2, 2.5e9 / TRAIN["rate_hz"])
    trains: list[tuple[int, int]] = []
    for t in given_ns:
        if trains and t - trains[-1][1] < gap_ns:
            trains[-1] = (trains[-1][0], t)
        else:
            trains.append((t, t))
    return trains
