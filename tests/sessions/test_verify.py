"""The chain: whatever is changed in a record afterwards, the first place is named."""

import json
from pathlib import Path

import pytest

from nmesd.core.values import Arm
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.hash_chain import BEGINNING, sealed, unsealed
from nmesd.sessions.verify import verify
from tests.sessions.records import raw


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    with Writer(folder, {"started": "then"}, b"{}") as writer:
        for second in range(4):
            writer.raw(raw(4 * second, 4))
            writer.entry(second, Arm(second, 7, 0))
            writer.sync()
    return folder


def test_a_record_that_nobody_touched_is_good(path: Path) -> None:
    found = Folder(path).verify()
    assert (found.good, found.closed) == (True, True)
    last = (path / "events.jsonl").read_text().splitlines()[-1]
    assert found.chain == json.loads(last)["chain"]
    assert found.lines == len((path / "events.jsonl").read_text().splitlines())


def test_the_end_of_the_chain_is_what_the_writer_says(tmp_path: Path) -> None:
    with Writer(tmp_path / "s", {}, b"{}") as writer:
        writer.raw(raw(0, 4))
    assert verify(tmp_path / "s").chain == writer.chain != BEGINNING


def test_every_byte_of_every_file_is_covered(path: Path) -> None:
    for name in ("session.toml", "events.jsonl", "session.xdf"):
        file = path / name
        data = file.read_bytes()
        step = max(1, len(data) // 200)
        for at in range(0, len(data), step):
            file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            found = verify(path)
            assert not found.good, (name, at)
            assert found.text.startswith(name)
        file.write_bytes(data)
    assert verify(path).good


def test_the_first_place_is_named(path: Path) -> None:
    events = path / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join([*lines[:3], *lines[4:]]))
    assert verify(path).text.startswith("events.jsonl, line 4: ")
    events.write_text("".join(lines).replace('"operator": 7', '"operator": 8'))
    first = next(n for n, line in enumerate(lines, 1) if '"operator": 7' in line)
    assert verify(path).text.startswith(f"events.jsonl, line {first}: ")


def test_changed_emg_is_placed_between_two_syncs(path: Path) -> None:
    sizes = [
        json.loads(line)["session.xdf"][0]
        for line in (path / "events.jsonl").read_text().splitlines()
        if "session.xdf" in line
    ]
    xdf = path / "session.xdf"
    data = bytearray(xdf.read_bytes())
    data[sizes[1] + 30] ^= 1
    xdf.write_bytes(data)
    text = verify(path).text
    assert f"session.xdf: changed between byte {sizes[1]} and byte {sizes[2]}" in text
    xdf.write_bytes(data[: sizes[1] + 5])
    assert "cut off" in verify(path).text


def test_what_is_added_is_found(path: Path) -> None:
    for name in ("session.toml", "events.jsonl", "session.xdf"):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data + b"#")
        assert not verify(path).good
        (path / name).write_bytes(data)


def test_a_record_that_was_cut_off_is_good_and_not_closed(path: Path) -> None:
    events = path / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join(lines[:-3]) + lines[-3][:10])
    found = verify(path)
    assert (found.good, found.closed) == (True, False)
    assert "NOT closed" in found.text


def test_a_line_follows_only_its_own_past() -> None:
    line, chain = sealed(BEGINNING, '{"event": "x"}')
    assert json.loads(line) == {"event": "x", "chain": chain}
    assert unsealed(BEGINNING, line) == ('{"event": "x"}', chain)
    assert unsealed(chain, line) is None
    for broken in ("", "{}", line[:-1], line + " ", line.replace("x", "y")):
        assert unsealed(BEGINNING, broken) is None
