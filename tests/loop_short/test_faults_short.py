"""The campaign of faults in its short form: the campaign itself is `python bench/faults.py`."""

import pytest

from bench.faults import FAULTS, campaign
from bench.witness import Witness


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_no_pulse_outlives_the_fault(name: str) -> None:
    with Witness() as witness:
        result = campaign(name, times=2, seed=1, witness=witness)
    assert result.n == 2, result.missed
    assert result.survivors == 0, result.notes
