"""Programme files: the shipped ones load, say where each number comes from, and hold no amplitude."""

import re
from pathlib import Path

import pytest

from nmesd.core.values import Kind, OnMiss, Trial
from nmesd.daemon.engine_config import load
from nmesd.daemon.programme import KINDS, ProgrammeFile
from nmesd.daemon.toml import parse
from nmesd.toml import read_text
from tests.daemon.three import PROGRAMME, errors, read

FOLDER = Path(__file__).parents[2] / "config" / "programmes"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.toml"))
ASKED = {
    "activation", "activation-weak", "wrist-extension", "dorsiflexion", "strength", "circulation", "pain-relief",
    "relaxation", "biofeedback", "catch-trials",
}  # fmt: skip
UNITS = ("Hz", "µs", "s", "%", "trials", "contractions", "set", "sets", "min", "mA")
NUMBER = re.compile(r"^(\w+) = ([\d.]+) +# (.*)$", re.MULTILINE)


def test_every_programme_that_was_asked_for_is_there() -> None:
    assert set(SHIPPED) >= ASKED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_programme_runs_with_the_shipped_patient(name: str) -> None:
    assert load(FOLDER.parent / "nmesd.toml", name).files.name == name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_has_its_unit_and_where_it_comes_from(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text()
    keys = set(re.findall(r"^# \[([\w-]+)\]", text, re.MULTILINE))
    numbers = NUMBER.findall(text)
    assert len(numbers) == len(re.findall(r"^\w+ = [\d.]", text, re.MULTILINE))
    for key, _, comment in numbers:
        sources = set(re.findall(r"\[([\w-]+)\]", comment))
        assert sources <= keys, f"{key}: {sources - keys} not at the end of the file"
        assert sources or "chosen" in comment or key == "seed", key
        assert key == "seed" or re.match(rf"({'|'.join(UNITS)})\b|%", comment), f"{key}: {comment}"
    assert keys <= set(re.findall(r"\[([\w-]+)\]", text[: text.index("\n# [")])) if keys else True


@pytest.mark.parametrize("name", SHIPPED)
def test_no_programme_holds_an_amplitude(name: str) -> None:
    assert not re.search(r"^amplitude", (FOLDER / f"{name}.toml").read_text(), re.MULTILINE)
    assert not any("amplitude" in key for key in ProgrammeFile.model_fields)


def test_the_catch_trials_are_as_many_as_they_say() -> None:
    path = FOLDER / "catch-trials.toml"
    schedule = parse(path, read_text(path), ProgrammeFile).programme().schedule
    assert len(schedule) == 60
    for first in (0, 20, 40):
        part = schedule[first : first + 20]
        assert [part.count(kind) for kind in Trial] == [14, 4, 2]


def test_every_kind_of_the_core_can_be_asked_for() -> None:
    assert set(KINDS.values()) == set(Kind)


def test_the_core_gets_integers_and_a_rest_without_the_hold_off(tmp_path: Path) -> None:
    text = PROGRAMME + (
        "trials = 5\nsets = 2\nset_pause_s = 60\nwarm_up_trials = 3\nwarm_up_from_percent = 60\n"
        '[trial]\nrest_s = 15\nrelax_s = 1.5\ntimeout_s = 10\non_miss = "assist"\nassist_delay_s = 2\n'
        "[train]\nhold_off_s = 0.5\nstep_ma = 2\n[adapt]\ntarget_percent = 75\nstep_percent = 10\n"
    )
    core = read(tmp_path, programme=text).programme.programme()
    assert core.rest_ns == 14_500_000_000
    assert (core.relax_ns, core.timeout_ns, core.assist_delay_ns) == (
        1_500_000_000, 10_000_000_000, 2_000_000_000,
    )  # fmt: skip
    assert (core.on_miss, core.trials, core.sets, core.set_pause_ns) == (
        OnMiss.ASSIST, 5, 2, 60_000_000_000,
    )  # fmt: skip
    assert (core.session_ns, core.warm_up_trials, core.warm_up_from_permille) == (
        1_800_000_000_000, 3, 600,
    )  # fmt: skip
    assert (core.target_permille, core.step_permille, core.step_ua) == (750, 100, 2000)
    silent = text.replace('"triggered"', '"biofeedback"').replace('on_miss = "assist"', "")
    assert read(tmp_path, programme=silent).programme.programme().rest_ns == 15_000_000_000


BOUNDS = [
    ("train", "rate_hz", 1, 100, 0.01),
    ("train", "pulse_width_us", 20, 500, 1),
    ("train", "ramp_up_s", 0, 10, 0.001),
    ("train", "plateau_s", 0, 1800, 0.001),
    ("train", "ramp_down_s", 0, 10, 0.001),
    ("train", "hold_off_s", 0.25, 10, 0.001),
    ("train", "step_ma", 0.001, 5, 0.001),
    ("trial", "rest_s", 0, 600, 0.001),
    ("trial", "relax_s", 0.1, 60, 0.001),
    ("trial", "timeout_s", 0, 600, 0.001),
    ("trial", "assist_delay_s", 0, 60, 0.001),
    ("session", "trials", 0, 500, 1),
    ("session", "sets", 1, 20, 1),
    ("session", "set_pause_s", 0, 1800, 0.001),
    ("session", "minutes", 0, 120, 0.001),
    ("session", "warm_up_trials", 0, 50, 1),
    ("session", "warm_up_from_percent", 10, 100, 1),
    ("adapt", "target_percent", 20, 95, 1),
    ("adapt", "step_percent", 1, 50, 1),
    ("catch", "no_go_percent", 0, 60, 1),
    ("catch", "sham_percent", 0, 60, 1),
    ("catch", "seed", 0, 2**32 - 1, 1),
]
BASE = {
    "train": {}, "trial": {"timeout_s": 5}, "session": {"minutes": 30, "trials": 10},
    "adapt": {"target_percent": 75, "step_percent": 10}, "catch": {"seed": 1},
}  # fmt: skip


def with_value(section: str, key: str, value: float) -> str:
    lines = ['purpose = "x"', 'kind = "triggered"']
    for name, content in BASE.items():
        values = {**content, key: value} if name == section else content
        lines += [f"[{name}]", *(f"{k} = {v!r}" for k, v in values.items())]
    return "\n".join(lines)


@pytest.mark.parametrize(("section", "key", "least", "most", "unit"), BOUNDS)
def test_a_range_ends_where_it_says(
    section: str, key: str, least: float, most: float, unit: float, tmp_path: Path
) -> None:
    needs_others = (section, key, least) in (("trial", "timeout_s", 0), ("session", "trials", 0))
    for good in (least, most):
        if not needs_others or good == most:
            file = read(tmp_path, programme=with_value(section, key, good)).programme
            assert getattr(getattr(file, section), key) == good
    for bad in (round(least - unit, 6), round(most + unit, 6)):
        (line,) = errors(tmp_path, programme=with_value(section, key, bad))
        assert f"{section}.{key} = {bad!r}" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "cyclic"\n', "give trials or minutes, or it never ends"),
        ('kind = "cyclic"\nsession = {minutes = 3, sets = 2}\n', "session.sets needs session.trials"),
        ('kind = "cyclic"\nsession = {trials = 3}\ncatch = {seed = 1}\n', "catch trials are for triggered"),
        ('kind = "triggered"\nsession = {trials = 3}\ncatch = {seed = 1}\n', "end by trial.timeout_s"),
        (
            'kind = "relaxation"\nsession = {trials = 3}\nadapt = {target_percent = 75, step_percent = 9}\n',
            "adapt is for attempts, not 'relaxation'",
        ),
        (
            'kind = "triggered"\nsession = {trials = 3}\nadapt = {target_percent = 75, step_percent = 9}\n',
            "nothing is ever missed",
        ),
        (
            'kind = "biofeedback"\nsession = {trials = 3}\ntrial = {on_miss = "assist", timeout_s = 3}\n',
            "'assist' is for triggered kinds",
        ),
        ('kind = "triggered"\nsession = {trials = 3}\ntrial = {on_miss = "encourage"}\n', "needs trial.timeout_s"),
        ('kind = "triggered"\nsession = {trials = 3}\ntrial = {who = "antagonist"}\n', "is for relaxation"),
        (
            'kind = "triggered"\nsession.trials = 1\ntrial.timeout_s = 3\n[catch]\nseed = 1\nsham_percent = 60',
            "at least a third must be go",
        ),
        ('kind = "endless"\nsession = {trials = 3}\n', "kind = 'endless'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(text: str, said: str, tmp_path: Path) -> None:
    assert any(said in line for line in errors(tmp_path, programme=f'purpose = "x"\n{text}'))
