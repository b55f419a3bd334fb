"""The campaign of faults in its short form, each fault three times: the campaign itself is `make campaign`."""

import pytest

from bench.campaign.cycle import Result
from bench.campaign.faults import FAULTS
from bench.campaign.run import campaign
from bench.witness import Witness

TIMES = 3
MISSES = 20  # cycles that trip by themselves, as they do where there are no real-time rights
JOBS = 3  # rigs side by side, on two cores: most of a cycle is waiting
# It takes nearly all memory there is for half a minute: not to be done to whoever runs the tests.
NAMES = [name for name in FAULTS if name != "memory_pressure"]


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    with Witness() as witness:
        faults = [FAULTS[name] for name in NAMES]
        done = campaign(faults, TIMES, seed=1, witness=witness, jobs=JOBS, misses=MISSES)
    return {result.fault.name: result for result in done}


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first of them runs the whole campaign
@pytest.mark.parametrize("name", NAMES)
def test_no_pulse_outlives_the_fault(results: dict[str, Result], name: str) -> None:
    result = results[name]
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.survivors == 0, result.notes
    assert result.n == TIMES, result.missed
