import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmesd.errors import ConfigError, StreamError
from nmesd.sessions.recording import Recording
from nmesd.sim.player import play

N = 2000
EMG = np.random.default_rng(5).normal(0, 50, (N, 3)).astype(np.float32)
ONSETS = ((0.25, 0.5), (1.2, 2.0))


@pytest.fixture
def npz(tmp_path: Path) -> str:
    path = tmp_path / "short.npz"
    np.savez(path, emg_uv=EMG, fs_hz=1000.0, labels=["a", "b", "c"], onsets_s=ONSETS)
    return str(path)


@pytest.mark.parametrize("speed", [1, 10])
def test_everything_arrives_in_order_exact_and_regular(
    speed: int, npz: str, start: Callable[..., Any], listen: Callable[..., Any]
) -> None:
    player = start(
        "player", npz, "--speed", str(speed), "--name", "again", "--source-id", f"p{speed}"
    )
    ready = player.event("ready")
    assert (ready["samples"], ready["channels"], ready["speed"]) == (N, 3, speed)
    truth, emg = listen(ready["source_id"] + "-truth"), listen(ready["source_id"])
    first = player.event("started")["lsl_start"]
    emg.count(N)
    truth.count(4)
    assert player.event("ended")["samples"] == N

    assert np.array_equal(emg.emg.astype(np.float32), EMG)
    assert np.abs(np.array(emg.stamps) - first - np.arange(N) / 1000).max() < 1e-6
    assert [words[0] for words in truth.samples] == ["onset 1", "offset 1", "onset 2", "offset 2"]
    # the last offset is the end of the recording: its last sample
    assert np.array(truth.stamps) - first == pytest.approx([0.25, 0.5, 1.2, 1.999], abs=1e-6)
    assert player.process.wait(20) == 0


def test_the_stream_describes_itself(
    npz: str, start: Callable[..., Any], listen: Callable[..., Any]
) -> None:
    source_id = start("player", npz).event("ready")["source_id"]
    info = listen(source_id).inlet.info(10)
    assert (info.type(), info.name(), info.nominal_srate()) == ("EMG", "short", 1000.0)
    assert info.get_channel_labels() == ["a", "b", "c"]
    assert info.get_channel_units() == ["microvolts"] * 3
    assert info.get_channel_types() == ["EMG"] * 3
    assert info.desc().child("acquisition").child_value("manufacturer") == "nmesd"


def test_it_is_paced_by_the_clock(npz: str, start: Callable[..., Any]) -> None:
    player = start("player", npz, "--wait", "0", "--speed", "2")
    player.event("started")
    begin = time.monotonic()
    player.event("ended")
    assert 0.8 < time.monotonic() - begin < 10


def recording(emg_uv: np.ndarray = EMG) -> Recording:
    return Recording(emg_uv, 1000.0, ("a", "b", "c"), (), "short")


def test_it_waits_no_longer_than_told() -> None:
    with pytest.raises(StreamError, match="nobody listened"):
        play(recording(), wait_s=0.3)


def test_stop_ends_it_also_while_it_loops() -> None:
    stop = threading.Event()
    events: list[tuple[str, dict[str, Any]]] = []

    def on_progress(sent: int, total: int) -> None:
        if sent > 2.5 * total:
            stop.set()

    play(
        recording(), speed=50, loop=True, wait_s=0, stop=stop,
        on_event=lambda event, **values: events.append((event, values)), on_progress=on_progress,
    )  # fmt: skip
    assert events[-1][0] == "ended"
    assert events[-1][1]["samples"] > 2.5 * N


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": float("nan")}, {"chunk_ms": -1}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        play(recording(), wait_s=0, **options)  # type: ignore[arg-type]


def test_an_unreadable_file_is_an_error_for_a_person(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    process = start("player", str(tmp_path / "none.npz")).process
    assert process.wait(20) == 1
    assert process.stderr.read().startswith(f"{tmp_path}/none.npz: no such file")
