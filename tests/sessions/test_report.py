"""A report says what was done, on one page that needs nothing else; its numbers are those of the trials."""

import csv
import json
import os
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nmesd.cli.commands import app
from nmesd.core.decider import Decider
from nmesd.core.values import Arm, Mode, ModeChanged, Outcome, Trip, Why
from nmesd.daemon.engine_config import engine_settings
from nmesd.errors import EXPLAIN, Reason
from nmesd.sessions import chromium
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.page import NOTICE
from nmesd.sessions.replay import replay
from nmesd.sessions.session_report import session_page, session_rows
from nmesd.sessions.story import story
from nmesd.sessions.trials import report, trials_of
from nmesd.sim.session_files import files_of
from nmesd.sim.spec import PatientSpec
from nmesd.wire import Histogram
from tests.sessions.recorded import HOP_NS, RATE_HZ, by_hand, files_in, record, rehearsed

COURSE = {
    "purpose": "x", "kind": "triggered", "trial": {"rest_s": 2, "relax_s": 0.3, "timeout_s": 3},
    "train": {"ramp_up_s": 0.3, "plateau_s": 1, "ramp_down_s": 0.3, "hold_off_s": 0.3},
    "session": {"trials": 6}, "adapt": {"target_percent": 75, "step_percent": 10},
    "catch": {"no_go_percent": 17, "sham_percent": 17, "seed": 3},
}  # fmt: skip
MUSCLE = {
    "on_uv": 7.0, "off_uv": 5.5, "floor_uv": 6.5, "ceiling_uv": 40.0,
    "output": [{"channel": 1, "amplitude_ma": 20}],
}  # fmt: skip
SPEC = PatientSpec(rate_hz=RATE_HZ, attempt_db=14.0, attempt_spread_db=3.0, duration_s=1.8)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Folder]:
    """Two of one person."""
    folder = tmp_path_factory.mktemp("rehearsed")
    files = files_in(folder / "files", MUSCLE, COURSE)
    return [
        rehearsed(
            folder / "sessions" / f"{day:02}", files, SPEC, f"2026-03-{day:02}T09:30:00+00:00", day
        )
        for day in (2, 16)
    ]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Loads(HTMLParser):
    """Whatever the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetches = {"src", "href", "xlink:href", "data", "action"}
        self.fetched += [v for k, v in attrs if k in fetches and v and not v.startswith("#")]
        assert tag not in ("script", "link", "iframe")


def run(*args: str) -> dict[str, object]:
    done = CliRunner().invoke(app, ["report", *args, "--json"], catch_exceptions=False)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_session_is_on_one_page(sessions: list[Folder], tmp_path: Path) -> None:
    session = sessions[0]
    assert replay(session).diverged is None
    out = tmp_path / "a.html"
    run(str(session.path), "--out", str(out), "--no-pdf")
    html = out.read_text()
    loads = Loads()
    loads.feed(html)
    assert loads.fetched == []
    assert NOTICE.split(".")[0] in html
    found = report(trials_of(session))
    success = found["success"]
    assert f"{success['hits']} of {success['n']}" in html
    assert f"{found['pulses']} pulses" in html
    # Every trial has its panel, titled with its number and outcome.
    titles = re.findall(r"\d+ (?:success|miss|false alarm|rightly not tried|aborted)", html)
    assert sorted({int(title.split()[0]) for title in titles}) >= [1, 2, 3, 4, 5, 6]
    rows = read(tmp_path / "a.csv")
    assert len(rows) == found["trials"] == 6
    assert sum(int(row["pulses"]) for row in rows) == found["pulses"]
    assert not (tmp_path / "a.pdf").exists()


def test_a_trial_is_told_as_it_was(sessions: list[Folder]) -> None:
    told = story(sessions[0])
    assert told.faults == ()
    assert told.envelope_uv.shape == told.rms_uv.shape == (told.envelope_uv.shape[0], 1)
    moved = [uv for _, _, uv in told.thresholds]
    assert moved[0] == 7.0
    assert len(set(moved)) > 1
    hits = [trial for trial in told.trials if trial.done.outcome is Outcome.SUCCESS and trial.train]
    assert hits
    for trial in hits:
        assert trial.latency_s == pytest.approx(trial.train[0][0] - trial.cue_s)
        assert max(ma for _, ma in trial.train) == 20
        assert trial.train[-1][1] == 0
        assert trial.effort_uv is not None
        assert trial.effort_uv < 200  # the artefact is not in it


def test_a_session_without_emg_shows_its_trains(tmp_path: Path) -> None:
    course = {
        "purpose": "x", "kind": "cyclic", "trial": {"rest_s": 0.6}, "session": {"trials": 2},
        "train": {"plateau_s": 0.2, "ramp_up_s": 0.1, "ramp_down_s": 0.1},
    }  # fmt: skip
    person = {
        "code": "x",
        "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}],
    }
    settings = engine_settings(files_of({"patient": person, "programme": course}))
    with Writer(tmp_path / "s", {"patient": "x"}, settings.to_json()) as writer:
        decider: Decider[None] = Decider(None, settings.core, writer.entry)
        decider.act(Arm(decider.t_ns, 7, 0))
        for _ in range(3000):
            decider.tick()
    told = story(Folder(tmp_path / "s"))
    assert [max(ma for _, ma in trial.train) for trial in told.trials] == [9, 9]
    html = session_page(told)
    assert html.count("given</text>") == 3  # a panel each, and the legend
    assert [row["muscle"] for row in session_rows(told)] == ["", ""]


def test_the_minutes_of_every_stage_are_told_together(tmp_path: Path) -> None:
    person = {
        "code": "x",
        "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}],
    }
    course = {"purpose": "x", "kind": "cyclic", "session": {"trials": 2}}
    settings = engine_settings(files_of({"patient": person, "programme": course}))
    with Writer(tmp_path / "s", {"patient": "x"}, settings.to_json()) as writer:
        for us in (100, 300):
            one = Histogram()
            one.add(us * 1000)
            writer.event("timing", stages={"guard": {"max_ns": us * 1000, "pairs": one.pairs()}})
    told = story(Folder(tmp_path / "s"))
    assert told.timing["guard"].figures()["max_us"] == 300
    assert told.timing["guard"].count == 2
    assert "<td>guard</td><td>2</td>" in session_page(told)


def test_a_fault_is_told_with_its_remedy(tmp_path: Path) -> None:
    files = files_in(tmp_path / "files", MUSCLE, COURSE)
    at = 2 * RATE_HZ
    t_ns = at * HOP_NS
    trip = ModeChanged(
        t_ns, Mode.REST, Mode.TRIPPED, Why.TRIP, Reason.EMG_STALE, 30_000_000, 15_000_000
    )
    entries = [*by_hand(0, 0, 0), (at, Trip(t_ns, Reason.EMG_STALE, 1, 2)), (at, trip)]
    folder = record(tmp_path / "s", files, np.zeros(at + 5), entries)
    html = session_page(story(folder))
    assert "EMG_STALE" in html
    assert escape(EXPLAIN[Reason.EMG_STALE].remedy) in html
    assert "No trial was finished" in html


def test_a_person_over_weeks(sessions: list[Folder], tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    told = run("--patient", "P01", str(sessions[0].path.parent), "--out", str(out), "--no-pdf")
    html = out.read_text()
    assert "Patient P01" in html
    assert "2 sessions in 14 days" in html
    rows = read(tmp_path / "p.csv")
    assert [row["started"][:10] for row in rows] == ["2026-03-02", "2026-03-16"]
    assert told["csv"] == str(tmp_path / "p.csv")
    for row, session in zip(rows, sessions, strict=True):
        assert int(row["pulses"]) == report(trials_of(session))["pulses"]


@pytest.mark.parametrize(
    ("args", "says"), [((), "--patient CODE"), (("--patient", "P02"), "there are some of P01")]
)
def test_what_cannot_be_reported_is_said_so(
    sessions: list[Folder], args: tuple[str, ...], says: str
) -> None:
    done = CliRunner().invoke(app, ["report", str(sessions[0].path.parent), *args])
    assert says in str(done.exception)


@pytest.mark.slow
def test_the_page_as_pdf_and_as_a_picture(sessions: list[Folder], tmp_path: Path) -> None:
    if chromium.found() is None:
        pytest.skip(f"none of {', '.join(chromium.NAMES)} is installed")
    out = tmp_path / "a.html"
    run(str(sessions[0].path), "--out", str(out))
    assert (tmp_path / "a.pdf").read_bytes()[:5] == b"%PDF-"
    # NMESD_PICTURES=docs/pictures makes the README's anew.
    shot = Path(os.environ.get("NMESD_PICTURES", tmp_path)).resolve() / "report.png"
    chromium.picture(out, shot, 1150, 900)
    data = shot.read_bytes()
    assert data[:4] == b"\x89PNG"
    assert int.from_bytes(data[16:20], "big") == 1150
    assert len(data) > 50_000  # something is on it
