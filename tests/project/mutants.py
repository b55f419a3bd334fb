"""After `mutmut run`: every mutant that lives is listed with a reason, and every one that is listed lives.

`make mutate` runs it. A survivor is named in tests/project/survivors.toml by its function and by what the mutation
changed, for mutmut's own numbers change with every line of the source.
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
LIST = ROOT / "tests" / "project" / "survivors.toml"
KILLED = {"killed", "timeout", "segfault"}
SHORTEST_REASON = 15


class Mutant(NamedTuple):
    """What was changed, and where."""

    function: str
    was: str
    now: str


def mutmut(*arguments: str) -> str:
    """What it says."""
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def verdicts() -> dict[str, str]:
    """Of every mutant by its number."""
    lines = mutmut("results", "--all", "true").splitlines()
    found = (re.fullmatch(r"\s*(\S+__mutmut_\d+): (.+)", line) for line in lines)
    return {one[1]: one[2] for one in found if one}


def described(name: str) -> Mutant:
    """A mutant in words that outlive its number."""
    lines = mutmut("show", name).splitlines()
    changed = [line for line in lines if re.match(r"[-+](?![-+]{2})", line)]
    was, now = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return Mutant(name.rpartition("__mutmut_")[0], was, now)


def main() -> int:
    """0 if list and survivors are the same."""
    listed: dict[Mutant, str] = {}
    for entry in tomllib.loads(LIST.read_text())["survivor"]:
        for change in entry["changes"]:
            listed[Mutant(entry["function"], *change)] = entry["reason"]
    said = verdicts()
    counts = Counter(said.values())
    alive = {described(name): name for name, verdict in said.items() if verdict not in KILLED}
    wrong = [
        f"NOT LISTED {name}: {one.was}  ->  {one.now}"
        for one, name in alive.items()
        if one not in listed
    ]
    wrong += [f"LISTED BUT KILLED {one}" for one in listed if one not in alive]
    wrong += [f"NO REASON {one}" for one, reason in listed.items() if len(reason) < SHORTEST_REASON]
    if not said:
        wrong.append("no mutants at all: mutmut did not run")
    words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    sys.stdout.write("\n".join([*wrong, f"{len(said)} mutants: {words}; {len(listed)} listed", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
