"""A disk that fills up: EMG ends, events go on, and it is said early."""

import subprocess
import sys
from pathlib import Path

import pytest

from nmesd.core.values import Arm
from nmesd.sessions import disk, writer
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.verify import verify
from tests.sessions.records import raw


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much room there is said to be."""
    room = [10**12]
    monkeypatch.setattr(disk, "free_bytes", lambda _: room[0])
    return room


def session(folder: Path, free: list[int]) -> Writer:
    """Three seconds; in the second, room becomes what `free` then says."""
    made = Writer(folder, {}, b"{}")
    for second in range(3):
        made.raw(raw(4 * second, 4))
        made.entry(second, Arm(second, 7, 0))
        if second == 1:
            free[0] = disk.LEAST_FOR_SIGNALS_BYTES - 1
        made.sync()
    return made


def test_events_are_kept_when_emg_no_longer_fits(tmp_path: Path, free: list[int]) -> None:
    made = session(tmp_path / "s", free)
    assert made.signals_end == "the disk is full: 100 MB are left, for events"
    made.close()
    folder = Folder(tmp_path / "s")
    assert [hop for hop, _ in folder.entries()] == [0, 1, 2]
    assert [chunk.first_sample for chunk in folder.emg()] == [0]
    assert {"event": "signals end", "why": made.signals_end} in list(folder.events())
    assert verify(tmp_path / "s").good


def test_room_that_comes_back_makes_no_hole(tmp_path: Path, free: list[int]) -> None:
    made = session(tmp_path / "s", free)
    free[0] = 10**12
    made.raw(raw(12, 4))
    made.close()
    assert [chunk.first_sample for chunk in Folder(tmp_path / "s").emg()] == [0]


def test_a_disk_that_is_too_slow_ends_the_emg_and_not_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 200)
    made = Writer(tmp_path / "s", {}, b"{}")
    for second in range(100):
        made.raw(raw(4 * second, 4))
    assert len(made._batch.raws) < 10
    made.entry(0, Arm(0, 7, 0))
    made.close()
    assert made.signals_end.startswith("the disk is too slow")
    assert verify(tmp_path / "s").good


LIMITED = """
import resource, sys
from pathlib import Path
from nmesd.core.values import Arm
from nmesd.sessions.folder import Writer
from tests.sessions.records import raw
writer = Writer(Path(sys.argv[1]), {}, b"{}")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for second in range(20):
    writer.raw(raw(100 * second, 100))
    writer.entry(second, Arm(second, 7, 0))
    writer.sync()
print(writer.signals_end)
writer.close()
"""


def test_a_file_that_can_grow_no_more_ends_with_its_last_whole_part(
    tmp_path: Path, repo_root: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "s")],
        cwd=repo_root, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "session.xdf: [Errno 27] File too large" in done.stdout
    folder = Folder(tmp_path / "s")
    assert [hop for hop, _ in folder.entries()] == list(range(20))
    emg = list(folder.emg())
    assert 0 < len(emg) < 20
    assert [chunk.first_sample for chunk in emg] == [100 * n for n in range(len(emg))]
    assert folder.verify().good


@pytest.mark.parametrize(("free_gb", "told"), [(2.0, False), (1.9, True), (0.0, True)])
def test_it_is_said_early_and_with_a_remedy(free_gb: float, told: bool) -> None:
    text = disk.warning(int(free_gb * 1e9))
    assert bool(text) is told
    if told:
        assert f"{free_gb:.1f} GB free" in text
        assert "move sessions away" in text


def test_the_room_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    assert disk.free_bytes(tmp_path / "a" / "b") > 0
