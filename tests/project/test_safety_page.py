"""docs/safety.md names every hazard, and promises nothing that no test shows."""

import re
from pathlib import Path

import pytest

# Each hazard by its id, and words that its row must have: those of the facts page, C.4.
HAZARDS = {
    # unintended start
    "H1": "noise",
    "H2": "artefact",
    "H3": "replayed or late EMG",
    "H4": "clock jumps",
    # failure to stop
    "H5": "daemon or engine hangs or dies",
    "H6": "garbage collection",
    "H7": "USB",
    "H8": "frozen",
    "H9": "kernel hangs",
    "H10": "GPIO line keeps its level",
    # too much
    "H11": "typing error",
    "H12": "units mixed up",
    "H13": "step instead of a ramp",
    "H14": "wrong channel",
    "H15": "overflow",
    # the rest
    "H16": "positive feedback",
    "H17": "electrode lifts",
    "H18": "unbalanced charge",
    "H19": "silent restart",
    "H20": "operator unaware",
    "H21": "two daemons",
    "H22": "wrong device answers",
}
NOT_YET = re.compile(r"not controlled yet: issue \d+")
Row = list[str]


@pytest.fixture(scope="module")
def rows(repo_root: Path) -> dict[str, Row]:
    """The cells after the id, of every row of a table that begins with an id."""
    page = (repo_root / "docs" / "safety.md").read_text()
    found = re.findall(r"^\| (H\d+) \|(.+)\|$", page, re.MULTILINE)
    ids = [hazard for hazard, _ in found]
    assert len(ids) == len(set(ids)), "an id stands twice"
    return {hazard: [cell.strip() for cell in cells.split("|")] for hazard, cells in found}


@pytest.fixture(scope="module")
def tests_there(repo_root: Path) -> set[str]:
    sources = "\n".join(path.read_text() for path in (repo_root / "tests").rglob("test_*.py"))
    return set(re.findall(r"def (test_\w+)\(", sources))


@pytest.mark.parametrize("hazard", HAZARDS)
def test_every_hazard_has_its_row_and_its_words(rows: dict[str, Row], hazard: str) -> None:
    assert hazard in rows, f"docs/safety.md has no row | {hazard} | ...{HAZARDS[hazard]}... |"
    assert HAZARDS[hazard].lower() in rows[hazard][0].lower()


def test_every_row_has_a_hazard_a_control_and_what_shows_it(rows: dict[str, Row]) -> None:
    assert rows
    for hazard, cells in rows.items():
        assert len(cells) == 3, f"{hazard}: hazard, control and shown by are wanted"
        assert all(cells), f"{hazard}: an empty cell"


def test_every_row_names_tests_that_exist_or_says_that_it_is_not_controlled_yet(
    rows: dict[str, Row], tests_there: set[str]
) -> None:
    for hazard, (_, _, shown_by) in rows.items():
        named = re.findall(r"`(test_\w+)`", shown_by)
        assert named or NOT_YET.search(shown_by), f"{hazard}: no test, nor 'not controlled yet'"
        missing = [name for name in named if name not in tests_there]
        assert not missing, f"{hazard}: not there: {missing}"


def test_every_test_named_on_the_safety_page_exists(repo_root: Path, tests_there: set[str]) -> None:
    page = (repo_root / "docs" / "safety.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert named <= tests_there, named - tests_there
