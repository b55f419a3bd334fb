"""A session folder comes back as it was written, also after a power cut, and never with a hole."""

import json
from pathlib import Path

import numpy as np
import pytest

from nmesd.core.journal import Entry
from nmesd.core.values import Arm, Mode, ModeChanged, Trip, Why
from nmesd.errors import Reason, RecordError
from nmesd.sessions import streams
from nmesd.sessions.folder import Folder, Writer
from nmesd.wire import Raw
from tests.sessions.records import raw

SETTINGS = (
    b'{"chain":{"a":[0.1,1e-9,1.7976931348623157e308,5e-324]},"core":{"on_nv":10000},"stream":null}'
)
ENTRIES: list[tuple[int, Entry]] = [
    (0, Arm(0, 7, 0)),
    (3, ModeChanged(3_000_000, Mode.DISARMED, Mode.REST, Why.OPERATOR, Reason.NONE, 0, 0)),
    (9, Trip(9_000_000, Reason.EMG_GAP, 2**62, 11_000_000)),
]
DERIVED = (streams.output([(0, "calf")]), streams.events())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three frames and three entries, synced after the first of each and at the end."""
    folder = tmp_path / "a" / "session"
    with Writer(folder, {"started": "then"}, SETTINGS, DERIVED) as writer:
        writer.event("stream", found=["one"])
        for (hop, entry), (first, samples) in zip(ENTRIES, ((0, 4), (4, 1), (5, 7)), strict=True):
            writer.entry(hop, entry, first * 1_000_000)
            writer.raw(raw(first, samples))
            writer.rows(streams.OUTPUT, np.array([first / 1e3]), np.full((1, 6), first, np.float32))
            if hop == 0:
                writer.sync()
        writer.fact("operator", name="Å", number=2**56 - 1)
    return folder


def test_what_was_written_is_read(path: Path) -> None:
    folder = Folder(path)
    assert folder.session == {"started": "then", "operator": [{"name": "Å", "number": 2**56 - 1}]}
    assert list(folder.entries()) == ENTRIES
    assert [type(entry) for _, entry in folder.entries()] == [type(entry) for _, entry in ENTRIES]
    stamps_ns = (0, 4_000_000, 5_000_000)
    assert list(folder.stamped()) == [
        (ns, e) for ns, (_, e) in zip(stamps_ns, ENTRIES, strict=True)
    ]
    assert list(folder.events()) == [{"event": "stream", "found": ["one"]}, {"event": "closed"}]
    chunks = list(folder.emg())
    assert [(c.epoch, c.first_sample, c.arrival_ns) for c in chunks] == [
        (1, 0, 10**9), (1, 4, 10**9 + 4), (1, 5, 10**9 + 5),
    ]  # fmt: skip
    emg = np.concatenate([c.samples for c in chunks])
    assert emg.dtype == np.float32
    np.testing.assert_array_equal(emg, np.arange(24, dtype=np.float32).reshape(12, 2))
    times_ns = np.concatenate([c.stamps_ns for c in chunks])
    np.testing.assert_array_equal(times_ns, np.arange(12) * 1_000_000)


def test_a_stream_of_ours_is_read(path: Path) -> None:
    output = Folder(path).series(streams.OUTPUT)
    assert output.labels[0] == "1 amplitude"
    assert output.stamps_s.tolist() == [0.0, 0.004, 0.005]
    assert output.values[:, 5].tolist() == [0.0, 4.0, 5.0]
    with pytest.raises(RecordError, match="no stream 'nmesd-envelope'"):
        Folder(path).envelope()


def test_the_settings_come_back_to_the_byte(path: Path) -> None:
    again = json.dumps(Folder(path).settings, sort_keys=True, separators=(",", ":"))
    assert json.loads(again) == json.loads(SETTINGS)
    assert float.hex(Folder(path).settings["chain"]["a"][3]) == float.hex(5e-324)


def test_texts_with_any_line_ends_come_back(tmp_path: Path) -> None:
    texts = {"unix": "a\nb\n", "other": "a\r\nb\r", "odd": '"""\\ \x07 µ'}
    with Writer(tmp_path / "s", {"files": texts}, b"{}"):
        pass
    assert Folder(tmp_path / "s").session["files"] == texts


def test_values_that_are_not_numbers_are_kept(tmp_path: Path) -> None:
    emg = np.array([[np.nan], [np.inf], [-0.0]], np.float32)
    stamps_ns = np.zeros(3, np.int64)
    with Writer(tmp_path / "s", {}, SETTINGS) as writer:
        writer.raw(Raw(1, 0, 3, 1, 0, stamps_ns.tobytes() + emg.tobytes()))
    (chunk,) = Folder(tmp_path / "s").emg()
    assert chunk.samples.tobytes() == emg.tobytes()


@pytest.mark.parametrize("days", [0, 1, 25])
def test_time_stamps_are_kept_to_the_nanosecond_for_weeks_of_uptime(
    days: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(days)
    stamps_ns = days * 86_400 * 10**9 + np.sort(rng.integers(0, 10**12, 5000)).astype(np.int64)
    with Writer(tmp_path / "s", {}, SETTINGS) as writer:
        writer.raw(Raw(1, 0, 5000, 1, 0, stamps_ns.tobytes() + bytes(4 * 5000)))
    (chunk,) = Folder(tmp_path / "s").emg()
    np.testing.assert_array_equal(chunk.stamps_ns, stamps_ns)


def test_wherever_a_power_cut_falls_what_was_synced_before_it_is_read(path: Path) -> None:
    xdf = path / "session.xdf"
    data = xdf.read_bytes()
    lines = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    sizes = [line["session.xdf"][0] for line in lines if line.get("event") == "covered"]
    headers, first, second, _ = sizes  # then the first frame; the other two; footers
    seen = set()
    for length in range(headers, len(data) + 1):
        xdf.write_bytes(data[:length])
        frames = len(list(Folder(path).emg()))
        assert frames >= (1 if length >= first else 0)
        assert frames == 3 if length >= second else frames in (0, 1, 3)
        seen.add(frames)
    assert seen == {0, 1, 3}


def test_a_hole_is_refused_and_named(tmp_path: Path) -> None:
    with Writer(tmp_path / "s", {}, SETTINGS) as writer:
        writer.raw(raw(0, 4))
        writer.raw(raw(5, 7))
    with pytest.raises(RecordError, match="samples 4 to 4 are missing"):
        list(Folder(tmp_path / "s").emg())


def test_a_record_is_never_written_over(path: Path) -> None:
    before = [(path / name).read_bytes() for name in ("events.jsonl", "session.xdf")]
    with pytest.raises(RecordError, match="choose a new folder"):
        Writer(path, {}, SETTINGS)
    assert [(path / name).read_bytes() for name in ("events.jsonl", "session.xdf")] == before


def test_a_folder_that_is_none_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is this a session folder"):
        Folder(tmp_path)


def test_a_damaged_file_is_named(path: Path) -> None:
    (path / "session.toml").write_text("[")
    with pytest.raises(RecordError, match=r"session\.toml: damaged"):
        Folder(path)


@pytest.mark.parametrize("data", [b"EDF:", b"XDF:\x02"])
def test_what_is_no_xdf_is_named(data: bytes, path: Path) -> None:
    (path / "session.xdf").write_bytes(data)
    with pytest.raises(RecordError, match=r"session\.xdf: damaged"):
        list(Folder(path).emg())


@pytest.mark.parametrize(
    "line",
    ['{"entry": "Arm", "hop"', '{"entry": "Arm", "t_ns": 1}', '{"entry": "Leap", "hop": 1}'],
    ids=["cut", "incomplete", "unknown"],
)
def test_a_damaged_line_is_named_with_its_number(line: str, path: Path) -> None:
    events = path / "events.jsonl"
    lines = events.read_text().splitlines()
    events.write_text("\n".join([*lines[:4], line, *lines[4:], ""]))
    with pytest.raises(RecordError, match=r"events\.jsonl, line 5"):
        list(Folder(path).entries())


def test_a_last_line_cut_off_by_a_power_cut_is_left_out(path: Path) -> None:
    events = path / "events.jsonl"
    text = events.read_text()
    events.write_text(text[: text.index('"Trip"') + 20])
    assert list(Folder(path).entries()) == ENTRIES[:-1]


def test_a_disk_without_room_is_an_error_for_a_person(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RecordError, match="on a disk with room"):
        Writer(blocked / "session", {}, SETTINGS)
