"""docs/messages.md is what the reasons say."""

import re
from pathlib import Path

from nmesd.daemon.messages import page
from nmesd.errors import EXPLAIN, Reason


def test_the_page_is_generated_from_the_reasons(repo_root: Path) -> None:
    written = (repo_root / "docs" / "messages.md").read_text()
    assert written == page(), "python -m nmesd.daemon.messages > docs/messages.md"


def test_every_reason_stands_there_once_with_its_words() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| .* \| (.+) \|$", page(), re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(set(Reason.__members__) - {"NONE"})
    for name, text, remedy in rows:
        assert (text, remedy) == EXPLAIN[Reason[name]][:2]


def test_the_operating_page_leads_there(repo_root: Path) -> None:
    assert "(messages.md)" in (repo_root / "docs" / "operating.md").read_text()
