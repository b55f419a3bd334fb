"""The record beside a session: what it keeps is said, what it cannot keep ends it and nothing else."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmesd.core.values import Arm
from nmesd.daemon import record
from nmesd.daemon.derived import Derived
from nmesd.daemon.engine_config import Config, engine_settings
from nmesd.daemon.record import Record
from nmesd.sessions import disk
from nmesd.sessions.folder import Folder
from nmesd.sessions.kept_file import KeptFile
from nmesd.sessions.streams import ENVELOPE
from nmesd.sim.session_files import files_of, one_muscle
from tests.sessions.records import raw

SECTIONS: dict[str, Any] = {
    "stream": {"name": "x", "rate_hz": 1000, "labels": ["calf", "soleus"]},
    **one_muscle("calf", {"on_uv": 10, "off_uv": 7}, {"amplitude_ma": 1}),
}


def config(folder: str = "") -> Config:
    files = files_of({**SECTIONS, "record": {"folder": folder}})
    return Config(files, engine_settings(files).to_json())


async def test_each_engine_has_a_folder_of_its_own(tmp_path: Path) -> None:
    kept, wanted = Record(tmp_path / "first"), config(str(tmp_path / "all"))
    for hop in range(3):
        kept.open(wanted, Derived(wanted, "host").streams)
        kept.entry(hop, Arm(hop, 7, 0), 5)
        kept.operator("A", 7)
        kept.operator("A", 7)
    kept.close()
    paths = [tmp_path / "first", *sorted((tmp_path / "all").iterdir())]
    assert [[hop for hop, _ in Folder(path).entries()] for path in paths] == [[0], [1], [2]]
    for path in paths:
        folder = Folder(path)
        assert folder.session["operator"] == [{"name": "A", "number": 7}]
        assert folder.session["patient"] == "nobody"
        assert folder.verify()[:2] == (True, True)
        assert folder.envelope().labels[2] == "calf envelope"
        assert folder.settings["core"]["muscles"][0]["on_nv"] == 10_000


async def test_without_a_folder_nothing_is_kept_and_it_is_said() -> None:
    kept = Record(None)
    kept.open(config())
    kept.raw(raw(0, 4))
    assert kept.facts() == {"record": "none is kept", "disk": ""}
    kept.close()


async def synced(kept: Record, until: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it sync until it says so."""
    monkeypatch.setattr(record, "SYNC_S", 0.01)
    task = asyncio.create_task(kept.sync())  # noqa: TID251 - ended below
    async with asyncio.timeout(30):
        while until not in str(kept.facts()):  # noqa: ASYNC110 - as an operator looks
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_disk_that_fills_up_is_said_and_events_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Record(tmp_path / "s")
    kept.open(config())
    assert kept.facts() == {"record": f"in {tmp_path / 's'}", "disk": ""}
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1_500_000_000)
    await synced(kept, "1.5 GB free", monkeypatch)
    assert kept.facts()["record"] == f"in {tmp_path / 's'}"
    monkeypatch.setattr(disk, "free_bytes", lambda _: 50_000_000)
    kept.raw(raw(0, 4))
    await synced(kept, "EVENTS ONLY", monkeypatch)
    kept.entry(1, Arm(1, 7, 0))
    kept.rows(ENVELOPE, np.zeros(1), np.zeros((1, 5), np.float32))
    kept.close()
    assert [hop for hop, _ in Folder(tmp_path / "s").entries()] == [1]
    assert list(Folder(tmp_path / "s").emg()) == []


async def test_events_that_no_longer_fit_end_the_record_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Record(tmp_path / "s")
    kept.open(config())

    def full(self: KeptFile, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptFile, "append", full)
    kept.entry(1, Arm(1, 7, 0))
    await synced(kept, "ENDED", monkeypatch)
    assert "No space left" in kept.facts()["record"]
    kept.entry(2, Arm(2, 7, 0))  # the session goes on
    kept.close()


async def test_a_calibration_is_among_the_checksums_and_its_loss_ends_the_record_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "cal.toml").write_text("x")
    made = config()
    muscle = made.files.patient.muscle[0].model_copy(update={"calibration": "cal.toml"})
    patient = made.files.patient.model_copy(update={"muscle": (muscle,)})
    made = made._replace(files=made.files._replace(folder=tmp_path, patient=patient))
    kept = Record(tmp_path / "s")
    kept.open(made)
    kept.close()
    sha256 = Folder(tmp_path / "s").session["sha256"]["cal.toml"]
    assert sha256 == hashlib.sha256(b"x").hexdigest()
    (tmp_path / "cal.toml").unlink()
    kept = Record(tmp_path / "t")
    kept.open(made)
    assert kept.facts()["record"].startswith("ENDED: ")


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    kept = Record(tmp_path / "s")
    kept.open(config())
    assert kept.facts()["record"].startswith("ENDED: ")
    kept.raw(raw(0, 4))
    kept.close()
