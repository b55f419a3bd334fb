"""A session as a BIDS dataset (BIDS-EMG, 1.11): raw EMG as BDF, events, and what is known of the montage.

One run for each stretch of the stream without a break. Samples are 24 bit over each channel's own range. Nothing
is filtered. What the record does not say and BIDS requires is "n/a", and told.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmesd.errors import ConfigError, RecordError
from nmesd.sessions import bids_events
from nmesd.sessions.bdf_out import write_bdf
from nmesd.sessions.folder import Folder
from nmesd.units import MHZ_PER_HZ

VERSION: Final = "1.11.0"
FACTS: Final = (
    "EMGPlacementScheme", "EMGPlacementSchemeDescription", "EMGReference", "EMGGround", "ElectrodeType",
    "ElectrodeMaterial", "Manufacturer", "ManufacturersModelName",
    "DeviceSerialNumber", "InstitutionName", "TaskDescription", "Instructions",
)  # fmt: skip
"""What `--fact` may say, in BIDS's own words."""

REQUIRED: Final = ("EMGPlacementSchemeDescription", "EMGReference")
CHANNELS: Final = ("name", "type", "units", "target_muscle", "sampling_frequency")


class Exported(NamedTuple):
    """What was written, and which required facts are still n/a."""

    files: list[Path]
    unknown: list[str]


class _Run(NamedTuple):
    """A stretch without a break."""

    emg_uv: NDArray[np.float32]  # (samples, channels)
    first: int  # hop
    last: int


def export(folder: Folder, out: Path, facts: Mapping[str, str]) -> Exported:
    """Into a new dataset, or beside what is in it. Raises RecordError or ConfigError."""
    stream = folder.settings["stream"]
    if stream is None:
        raise RecordError(f"{folder.path}: no EMG in it: BIDS-EMG is for sessions that hear EMG")
    wrong = [name for name in facts if name not in FACTS]
    if wrong:
        raise ConfigError(f"--fact {wrong[0]}: must be one of {', '.join(FACTS)}")
    session = folder.session
    subject = _label(session.get("patient", ""), "patient")
    started = _started(folder)
    task = _label(session.get("programme", ""), "programme")
    place = out / f"sub-{subject}" / f"ses-{started:%Y%m%dT%H%M%S}"
    if place.exists():
        raise RecordError(f"{place}: is there already: choose another folder, or delete it")
    (place / "emg").mkdir(parents=True)
    rate_hz = stream["rate_mhz"] / MHZ_PER_HZ
    stem = f"sub-{subject}_ses-{started:%Y%m%dT%H%M%S}"
    known = {"EMGPlacementScheme": "Other", **dict.fromkeys(REQUIRED, "n/a"), **facts}
    files, scans = _dataset(out, subject), []
    entries = list(folder.entries())
    for number, run in enumerate(_runs(folder), 1):
        name = f"{stem}_task-{task}_run-{number:02}"
        events = bids_events.rows(entries, run.first, run.last, _hop_s(folder))
        events += write_bdf(
            place / "emg" / f"{name}_emg.bdf", run.emg_uv, stream["labels"], rate_hz
        )
        sidecar = {
            "TaskName": str(session.get("programme", "")),
            **known,
            "SamplingFrequency": rate_hz,
            "PowerLineFrequency": _mains_hz(session) or "n/a",
            "SoftwareFilters": "n/a",
            "RecordingType": "continuous",
            "RecordingDuration": round(len(run.emg_uv) / rate_hz, 6),
            "EMGChannelCount": run.emg_uv.shape[1],
        }
        channels = [
            {"name": label, "type": "EMG", "units": "uV", "target_muscle": label, "sampling_frequency": rate_hz}
            for label in stream["labels"]
        ]  # fmt: skip
        for suffix, text in (
            ("emg.json", _json(sidecar)),
            ("channels.tsv", bids_events.tsv(CHANNELS, channels)),
            ("events.tsv", bids_events.tsv(bids_events.COLUMNS, sorted(events, key=_onset))),
            ("events.json", _json(bids_events.DESCRIPTION)),
        ):
            files.append(_write(place / "emg" / f"{name}_{suffix}", text))
        files.append(place / "emg" / f"{name}_emg.bdf")
        scans.append(
            {
                "filename": f"emg/{name}_emg.bdf",
                "acq_time": started.replace(tzinfo=None).isoformat(),
            }
        )
    scan_table = bids_events.tsv(("filename", "acq_time"), scans)
    files.append(_write(place / f"{stem}_scans.tsv", scan_table))
    unknown = [name for name in REQUIRED if known[name] == "n/a"]
    return Exported(files, unknown)


def _runs(folder: Folder) -> list[_Run]:
    size = int(folder.settings["core"]["hop_samples"])
    found, first = list[_Run](), 0
    for _, chunks in groupby(folder.emg(), key=attrgetter("epoch")):
        emg_uv = np.concatenate([chunk.samples for chunk in chunks])
        last = first + len(emg_uv) // size
        found.append(_Run(emg_uv, first, last))
        first = last
    if not found:
        raise RecordError(f"{folder.path}: no EMG in it: give another session")
    return found


def _dataset(out: Path, subject: str) -> list[Path]:
    files = []
    description = {
        "Name": "nmesd sessions",
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "nmesd", "Description": "nmesd export --bids"}],
    }
    for name, text in (
        ("dataset_description.json", _json(description)),
        ("README.md", _README),
        ("participants.json", _json({"participant_id": {"Description": "Code of the person"}})),
    ):
        if not (out / name).exists():
            files.append(_write(out / name, text))
    table = out / "participants.tsv"
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else ["participant_id"]
    if f"sub-{subject}" not in [line.split("\t")[0] for line in lines]:
        others = len(lines[0].split("\t")) - 1
        lines.append("\t".join([f"sub-{subject}", *["n/a"] * others]))
    files.append(_write(table, "\n".join(lines) + "\n"))
    return files


_README: Final = """# Sessions of nmesd

EMG as received, and what the machine told the person, decided and commanded. Research software, not a medical
device. EMG while current flows is artefact and M-wave.
"""


def _label(said: Any, what: str) -> str:
    """Letters and digits, as labels of BIDS must be."""
    label = re.sub(r"[^A-Za-z0-9]", "", str(said))
    if not label:
        raise RecordError(f"{what} = {said!r}: BIDS needs a name with letters or digits")
    return label


def _started(folder: Folder) -> datetime:
    try:
        return datetime.fromisoformat(str(folder.session["started"]))
    except (KeyError, ValueError):
        raise RecordError(
            f"{folder.path}: does not say when it began: it cannot be exported"
        ) from None


def _mains_hz(session: Mapping[str, Any]) -> int:
    """As the unit's file says; its default where it says nothing."""
    text = next(iter((session.get("files") or {"": ""}).values()))
    return int(tomllib.loads(text).get("filter", {}).get("mains_hz", 50))


def _hop_s(folder: Folder) -> float:
    core = folder.settings["core"]
    return float(core["hop_samples"] * MHZ_PER_HZ / core["rate_mhz"])


def _onset(row: bids_events.Row) -> float:
    return float(row["onset"])


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
