"""docs/states.md is what the table says."""

from pathlib import Path

from nmesd.core.diagram import mermaid, page
from nmesd.core.machine import TABLE
from nmesd.core.values import Mode, Why


def test_the_page_is_generated_from_the_table(repo_root: Path) -> None:
    written = (repo_root / "docs" / "states.md").read_text()
    assert written == page(), "python -m nmesd.core.diagram > docs/states.md"


def test_the_picture_has_every_state_and_leaves_out_only_stops() -> None:
    picture = mermaid()
    assert all(mode.name in picture for mode in Mode)
    left_out = [
        row for row in TABLE for before in row.before
        if f"{before.name} --> {row.after.name}: {row.words}" not in picture
    ]  # fmt: skip
    assert {(row.why, row.after) for row in left_out} == {
        (Why.TRIP, Mode.TRIPPED),
        (Why.OPERATOR, Mode.DISARMED),
    }
