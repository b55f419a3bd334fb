"""docs/safety.md promises nothing that no test shows."""

import re
from pathlib import Path


def test_every_test_named_on_the_safety_page_exists(repo_root: Path) -> None:
    page = (repo_root / "docs" / "safety.md").read_text()
    sources = "\n".join(path.read_text() for path in (repo_root / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    rows = [row for row in page.splitlines() if row.startswith("| ") and "hazard" not in row]
    assert rows
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test shows the control of: {row}"
        missing = [name for name in named if name not in there]
        assert not missing, f"not there: {missing}"
