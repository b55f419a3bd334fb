"""A session folder comes back as it was written, also after a power cut, and never with a hole."""

import json
from pathlib import Path

import numpy as np
import pytest

from nmesd.core.journal import Entry
from nmesd.core.values import Arm, Mode, ModeChanged, Trip, Why
from nmesd.errors import Reason, RecordError
from nmesd.sessions.folder import Folder, Writer
from nmesd.wire import Raw

SETTINGS = b'{"core":{"on_nv":10000},"chain":{"a":[0.1,1e-9]}}'
ENTRIES: list[tuple[int, Entry]] = [
    (0, Arm(0, 7, 0)),
    (3, ModeChanged(3_000_000, Mode.DISARMED, Mode.REST, Why.OPERATOR, Reason.NONE, 0, 0)),
    (9, Trip(9_000_000, Reason.EMG_GAP, 2**62, 11_000_000)),
]


def raw(first: int, samples: int, channels: int = 2, epoch: int = 1) -> Raw:
    emg = np.arange(first * channels, (first + samples) * channels, dtype=np.float32)
    stamps_ns = np.arange(first, first + samples, dtype=np.int64) * 1_000_000
    return Raw(epoch, first, samples, channels, 10**9 + first, stamps_ns.tobytes() + emg.tobytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "session"
    with Writer(folder, {"started": "then"}, SETTINGS) as writer:
        writer.event("stream", found=["one"])
        for hop, entry in ENTRIES:
            writer.entry(hop, entry)
        for first, samples in ((0, 4), (4, 1), (5, 7)):
            writer.raw(raw(first, samples))
    return folder


def test_what_was_written_is_read(path: Path) -> None:
    folder = Folder(path)
    assert folder.session == {"started": "then"}
    assert folder.settings == json.loads(SETTINGS)
    assert list(folder.entries()) == ENTRIES
    assert [type(entry) for _, entry in folder.entries()] == [type(entry) for _, entry in ENTRIES]
    chunks = list(folder.emg())
    assert [(c.epoch, c.first_sample, c.arrival_ns) for c in chunks] == [
        (1, 0, 10**9), (1, 4, 10**9 + 4), (1, 5, 10**9 + 5),
    ]  # fmt: skip
    emg = np.concatenate([c.samples for c in chunks])
    assert emg.dtype == np.float32
    np.testing.assert_array_equal(emg, np.arange(24, dtype=np.float32).reshape(12, 2))
    stamps_ns = np.concatenate([c.stamps_ns for c in chunks])
    np.testing.assert_array_equal(stamps_ns, np.arange(12) * 1_000_000)


def test_the_settings_are_kept_to_the_byte(path: Path) -> None:
    assert (path / "settings.json").read_bytes() == SETTINGS


def test_values_that_are_not_numbers_are_kept(tmp_path: Path) -> None:
    emg = np.array([[np.nan], [np.inf], [-0.0]], np.float32)
    stamps_ns = np.zeros(3, np.int64)
    with Writer(tmp_path / "s", {}, SETTINGS) as writer:
        writer.raw(Raw(1, 0, 3, 1, 0, stamps_ns.tobytes() + emg.tobytes()))
    (chunk,) = Folder(tmp_path / "s").emg()
    assert chunk.samples.tobytes() == emg.tobytes()


def test_wherever_a_power_cut_falls_the_whole_frames_before_it_are_read(path: Path) -> None:
    emg = path / "emg.bin"
    data = emg.read_bytes()
    ends = [24 + 4 * 16, 2 * 24 + 5 * 16, 3 * 24 + 12 * 16]
    assert ends[-1] == len(data)
    for length in range(len(data) + 1):
        emg.write_bytes(data[:length])
        assert len(list(Folder(path).emg())) == sum(end <= length for end in ends)


def test_a_hole_is_refused_and_named(path: Path) -> None:
    emg = path / "emg.bin"
    data = emg.read_bytes()
    emg.write_bytes(data[: 24 + 64] + data[2 * 24 + 80 :])  # the second frame, sample 4, is gone
    with pytest.raises(RecordError, match="samples 4 to 4 are missing"):
        list(Folder(path).emg())


def test_a_record_is_never_written_over(path: Path) -> None:
    before = (path / "events.jsonl").read_bytes()
    with pytest.raises(RecordError, match="choose a new folder"):
        Writer(path, {}, SETTINGS)
    assert (path / "events.jsonl").read_bytes() == before


def test_a_folder_that_is_none_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is this a session folder"):
        Folder(tmp_path)


@pytest.mark.parametrize("name", ["session.json", "settings.json"])
def test_a_damaged_file_is_named(name: str, path: Path) -> None:
    (path / name).write_text("{")
    with pytest.raises(RecordError, match=name):
        Folder(path)


@pytest.mark.parametrize(
    "line",
    ['{"entry": "Arm", "hop"', '{"entry": "Arm", "t_ns": 1}', '{"entry": "Leap", "hop": 1}'],
    ids=["cut", "incomplete", "unknown"],
)
def test_a_damaged_line_is_named_with_its_number(line: str, path: Path) -> None:
    events = path / "events.jsonl"
    events.write_text(events.read_text() + line + "\n" + events.read_text())
    with pytest.raises(RecordError, match=r"events\.jsonl, line 5"):
        list(Folder(path).entries())


def test_a_last_line_cut_off_by_a_power_cut_is_left_out(path: Path) -> None:
    events = path / "events.jsonl"
    events.write_text(events.read_text()[:-20])
    assert list(Folder(path).entries()) == ENTRIES[:-1]


def test_a_disk_without_room_is_an_error_for_a_person(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RecordError, match="on a disk with room"):
        Writer(blocked / "session", {}, SETTINGS)
