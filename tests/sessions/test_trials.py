"""What trials came to, with intervals that are right for few."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from nmesd.core.values import Outcome, Trial, TrialDone
from nmesd.sessions.folder import Writer
from nmesd.sessions.trials import in_words, report, wilson

DONE = TrialDone(1, 0, Trial.GO, Outcome.SUCCESS, 0, 900_000_000, 7000, 10, 50_000_000, 200_000_000)


def trials(*counts: tuple[Trial, Outcome, int]) -> list[TrialDone]:
    return [
        DONE._replace(purpose=purpose, outcome=outcome)
        for purpose, outcome, n in counts
        for _ in range(n)
    ]


@pytest.mark.parametrize("n", [1, 2, 12, 60, 500])
def test_the_interval_is_wilson_s(n: int) -> None:
    for hits in {0, 1, n // 3, n - 1, n}:
        wanted = binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)  # nothing is known


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    for truth in (0.05, 0.2, 0.5):
        hits = rng.binomial(12, truth, 4000)
        covered = sum(low <= truth <= high for low, high in (wilson(int(h), 12) for h in hits))
        assert 0.88 < covered / 4000 < 1.0


def test_rates_are_of_those_that_could_have() -> None:
    found = report(
        trials(
            (Trial.GO, Outcome.SUCCESS, 30), (Trial.GO, Outcome.MISS, 8), (Trial.GO, Outcome.ASSISTED, 2),
            (Trial.GO, Outcome.ABORTED, 1), (Trial.SHAM, Outcome.SUCCESS, 5),
            (Trial.NO_GO, Outcome.FALSE_ALARM, 3), (Trial.NO_GO, Outcome.CORRECT_REJECTION, 9),
            (Trial.NO_GO, Outcome.ABORTED, 1),
        )
    )  # fmt: skip
    assert (found["success"]["hits"], found["success"]["n"]) == (35, 45)
    assert (found["false_positive"]["hits"], found["false_positive"]["n"]) == (3, 12)
    assert found["false_positive"]["low"] == pytest.approx(0.0889, abs=1e-3)
    assert found["false_positive"]["high"] == pytest.approx(0.5323, abs=1e-3)
    assert found["trials"] == 59
    assert found["pulses"] == 590
    assert found["charge_uc"] == pytest.approx(59 * 50)
    assert found["latency_s"] == 0.9
    words = "\n".join(in_words(found))
    assert "false-positive rate: 25 % (3 of 12; 95 %: 9 to 53 %)" in words
    assert "NO_GO  3 FALSE_ALARM, 9 CORRECT_REJECTION, 1 ABORTED" in words


def test_what_there_was_none_of_has_no_rate() -> None:
    found = report(trials((Trial.GO, Outcome.GIVEN, 3)))
    assert (found["success"], found["false_positive"], found["latency_s"]) == (None, None, None)
    assert report([])["trials"] == 0


def test_a_session_folder_is_reported(tmp_path: Path) -> None:
    with Writer(tmp_path / "s", {}, b"{}") as writer:
        for trial in trials((Trial.GO, Outcome.SUCCESS, 3), (Trial.NO_GO, Outcome.FALSE_ALARM, 1)):
            writer.entry(5, trial)

    def nmesd(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "nmesd.cli", "trials", str(tmp_path / "s"), *arguments],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert "success rate: 100 % (3 of 3" in nmesd()
    assert json.loads(nmesd("--json"))["false_positive"]["rate"] == 1.0
