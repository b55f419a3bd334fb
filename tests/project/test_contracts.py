"""Each import contract of pyproject.toml bites: one planted violation per line of the table.

The contracts are run on a tree of empty modules with the project's room names, so that this says
something about the contracts alone. That the real tree keeps them is `make check`.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LINT = (
    "import sys; sys.path.insert(0, ''); "
    "from importlinter.cli import lint_imports_command; lint_imports_command()"
)

ROOMS = (
    "amplitude", "calibrating", "certificate", "cli", "commissioning", "core", "daemon", "doctor", "drivers",
    "engine", "errors", "guard",
    "monitor",
    "realtime",
    "sessions", "sim", "stopping", "toml", "units", "wire",
)  # fmt: skip

# (importing module, what it imports, the contract that must break)
VIOLATIONS = [
    ("dsp.envelope", "nmesd.units", "dsp"),
    ("dsp.envelope", "time", "dsp"),
    ("dsp.envelope", "scipy.signal", "scipy"),
    ("nmesd.daemon.a", "scipy.signal", "scipy"),
    ("nmesd.core.a", "numpy", "core"),
    ("nmesd.core.a", "time", "core"),
    ("nmesd.core.a", "nmesd.wire.a", "core"),
    ("nmesd.core.a", "dsp.envelope", "core"),
    ("nmesd.wire.a", "numpy", "base"),
    ("nmesd.wire.a", "nmesd.core.a", "layers"),
    ("nmesd.units.a", "nmesd.wire.a", "layers"),
    ("nmesd.errors.a", "pydantic", "base"),
    ("nmesd.realtime.a", "numpy", "base"),
    ("nmesd.toml.a", "pydantic", "base"),
    ("nmesd.guard.a", "numpy", "guard"),
    ("nmesd.guard.a", "structlog", "guard"),
    ("nmesd.guard.a", "asyncio", "guard"),
    ("nmesd.guard.a", "nmesd.core.a", "guard"),
    ("nmesd.guard.a", "nmesd.engine.a", "layers"),
    ("nmesd.guard.a", "dsp.envelope", "guard"),
    ("nmesd.guard.a", "nmesd.sim.a", "sim"),
    ("nmesd.drivers.a", "numpy", "drivers"),
    ("nmesd.drivers.a", "nmesd.guard.a", "drivers"),
    ("nmesd.drivers.a", "nmesd.sim.a", "sim"),
    ("nmesd.engine.a", "asyncio", "engine"),
    ("nmesd.engine.a", "structlog", "engine"),
    ("nmesd.engine.a", "pydantic", "engine"),
    ("nmesd.engine.a", "dsp.design", "engine"),
    ("nmesd.engine.a", "nmesd.drivers.a", "engine"),
    ("nmesd.engine.a", "nmesd.guard.a", "layers"),
    ("nmesd.engine.a", "nmesd.sessions.a", "engine"),
    ("nmesd.engine.a", "nmesd.sim.a", "sim"),
    ("nmesd.daemon.a", "nmesd.guard.a", "daemon"),
    ("nmesd.daemon.a", "nmesd.drivers.a", "daemon"),
    ("nmesd.daemon.a", "nmesd.sim.a", "sim"),
    ("nmesd.monitor.a", "nmesd.guard.a", "monitor"),
    ("nmesd.monitor.a", "nmesd.engine.a", "monitor"),
    ("nmesd.monitor.a", "nmesd.daemon.a", "monitor"),
    ("nmesd.monitor.a", "pylsl", "monitor"),
    ("nmesd.daemon.a", "nmesd.monitor.a", "layers"),
    ("nmesd.sessions.a", "nmesd.engine.a", "sessions"),
    ("nmesd.sessions.a", "nmesd.guard.a", "sessions"),
    ("nmesd.sessions.a", "pylsl", "sessions"),
    ("nmesd.core.a", "nmesd.sim.a", "sim"),
    ("nmesd.sim.a", "nmesd.certificate.a", "layers"),
    ("nmesd.engine.a", "nmesd.certificate.a", "layers"),
    ("nmesd.guard.a", "nmesd.certificate.a", "layers"),
    ("nmesd.daemon.a", "nmesd.certificate.a", "daemon"),
]

# What the design asks for must not be in the way.
ALLOWED = [
    ("dsp.design", "scipy.signal"),
    ("dsp.envelope", "numpy"),
    ("nmesd.core.a", "nmesd.units.a"),
    ("nmesd.core.a", "nmesd.errors.a"),
    ("nmesd.wire.a", "nmesd.errors.a"),
    ("nmesd.errors.a", "nmesd.units.a"),
    ("nmesd.guard.a", "nmesd.realtime.a"),
    ("nmesd.guard.a", "nmesd.toml.a"),
    ("nmesd.toml.a", "nmesd.errors.a"),
    ("nmesd.engine.a", "nmesd.realtime.a"),
    ("nmesd.sim.a", "nmesd.daemon.a"),
    ("nmesd.guard.a", "nmesd.wire.a"),
    ("nmesd.guard.a", "nmesd.drivers.a"),
    ("nmesd.drivers.a", "nmesd.wire.a"),
    ("nmesd.drivers.a", "serial"),
    ("nmesd.drivers.a", "gpiod"),
    ("nmesd.engine.a", "nmesd.core.a"),
    ("nmesd.engine.a", "dsp.envelope"),
    ("nmesd.engine.a", "pylsl"),
    ("nmesd.daemon.a", "nmesd.engine.a"),
    ("nmesd.daemon.a", "nmesd.sessions.a"),
    ("nmesd.daemon.a", "dsp.design"),
    ("nmesd.daemon.a", "asyncio"),
    ("nmesd.sessions.a", "dsp.design"),
    ("nmesd.sessions.a", "nmesd.core.a"),
    ("nmesd.monitor.a", "nmesd.wire.a"),
    ("nmesd.sim.a", "nmesd.drivers.a"),
    ("nmesd.cli.a", "nmesd.guard.a"),
    ("nmesd.cli.a", "nmesd.sim.a"),
    ("nmesd.certificate.a", "nmesd.sim.a"),
    ("nmesd.certificate.a", "nmesd.commissioning.a"),
]


@pytest.fixture(scope="module")
def names(repo_root: Path) -> dict[str, str]:
    """The printed name of each contract, by its id."""
    with (repo_root / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return {contract["id"]: contract["name"] for contract in contracts}


@pytest.fixture
def tree(tmp_path: Path, repo_root: Path) -> Path:
    """Empty rooms under the project's contracts."""
    shutil.copy(repo_root / "pyproject.toml", tmp_path)
    for package in ("dsp", "nmesd", *(f"nmesd/{room}" for room in ROOMS)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "a.py").touch()
    (tmp_path / "nmesd" / "a.py").unlink()
    for name in ("design", "envelope"):
        (tmp_path / "dsp" / f"{name}.py").touch()
    return tmp_path


def plant(tree: Path, importer: str, imported: str) -> None:
    path = tree / (importer.replace(".", "/") + ".py")
    with path.open("a") as file:
        file.write(f"import {imported}\n")


def lint(tree: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def broken(output: str, name: str) -> bool:
    return any(line.startswith(name) and line.endswith("BROKEN") for line in output.splitlines())


def test_what_the_design_asks_for_is_allowed(tree: Path, names: dict[str, str]) -> None:
    for importer, imported in ALLOWED:
        plant(tree, importer, imported)
    code, output = lint(tree)
    assert code == 0, output
    assert f"{len(names)} kept, 0 broken" in output


@pytest.mark.parametrize(("importer", "imported", "contract"), VIOLATIONS)
def test_a_violation_breaks_its_contract(
    tree: Path, names: dict[str, str], importer: str, imported: str, contract: str
) -> None:
    plant(tree, importer, imported)
    code, output = lint(tree)
    assert code == 1, output
    assert broken(output, names[contract]), output


def test_every_contract_has_a_violation(names: dict[str, str]) -> None:
    assert {contract for _, _, contract in VIOLATIONS} == set(names)


def test_a_module_without_a_layer_is_refused(tree: Path, names: dict[str, str]) -> None:
    (tree / "nmesd" / "helpers.py").touch()
    code, output = lint(tree)
    assert code == 1, output
    assert broken(output, names["layers"]), output


def test_an_import_through_a_third_module_counts(tree: Path, names: dict[str, str]) -> None:
    plant(tree, "dsp.envelope", "dsp.design")
    plant(tree, "nmesd.engine.a", "dsp.envelope")
    plant(tree, "nmesd.core.a", "nmesd.units.a")
    code, output = lint(tree)
    assert code == 1, output
    assert broken(output, names["engine"]), output
