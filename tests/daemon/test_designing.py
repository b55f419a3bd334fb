"""Filters are designed in a child, so that scipy never is in the daemon; and come out the same, to the bit."""

import subprocess
import sys
from dataclasses import replace

import pytest

from dsp.design import design
from dsp.spec import ChainSpec
from nmesd.daemon import designing
from nmesd.daemon.designing import Designer
from nmesd.errors import ConfigError

SPEC = ChainSpec(rate_mhz=2_148_148, mains_hz=50, rail_uv=5000.0)
OTHERS = (
    replace(SPEC, envelope="rms", detector="envelope"),
    replace(SPEC, rate_mhz=10_000_000, mains_hz=60),
)


def test_a_child_designs_the_same_to_the_bit() -> None:
    elsewhere = Designer()
    elsewhere.go_elsewhere()
    for spec in (SPEC, *OTHERS):
        assert elsewhere.design(spec) == design(spec) == Designer().design(spec)


def test_the_last_one_is_not_designed_again() -> None:
    elsewhere = Designer()
    elsewhere.go_elsewhere()
    assert elsewhere.design(SPEC) is elsewhere.design(SPEC)


def test_a_child_that_fails_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    elsewhere = Designer()
    elsewhere.go_elsewhere()
    with pytest.raises(ConfigError, match="could not be designed, exit code 1"):
        elsewhere.design(SPEC)


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(designing, "LONGEST_S", 0.1)
    hanging = Designer()
    hanging._elsewhere = True
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        hanging._ahead = child
        with pytest.raises(ConfigError, match=r"within 0\.1 s"):
            hanging.design(SPEC)
        assert child.returncode == -9


def test_a_child_whose_parent_ended_ends_quietly() -> None:
    command = [sys.executable, "-m", "nmesd.daemon.designing"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_a_child_that_nobody_needs_is_ended_and_another_designs_later() -> None:
    elsewhere = Designer()
    elsewhere.go_elsewhere()
    child = elsewhere._ahead
    assert child is not None
    elsewhere.dismiss()
    assert child.returncode == -9
    assert elsewhere.design(SPEC) == design(SPEC)
    elsewhere.dismiss()  # nothing waits
