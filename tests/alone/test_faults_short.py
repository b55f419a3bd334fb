"""The campaign of faults in its short form: the campaign itself is `make campaign`."""

import pytest

from bench.campaign.cycle import Result
from bench.campaign.faults import faults_of
from bench.campaign.pty_workers import pty_workers
from bench.campaign.run import campaign
from nmesd.sim.witness import Witness

TIMES = 3  # each fault before the simulated stimulator
DEVICE_TIMES = 1  # and before each emulated one, where there is a device of its own to stop
MISSES = 20  # cycles that trip by themselves, as they do where there are no real-time rights
JOBS = 2  # rigs side by side; each takes nine of the 32 ports at which streams of this computer are found
# It takes nearly all memory there is for half a minute: not to be done to whoever runs the tests.
NAMES = [name for name in faults_of("sim") if name != "memory_pressure"]
BEFORE_DEVICES = {"engine_killed", "engine_frozen", "limit_amplitude", "guard_killed"}
DEVICE_NAMES = [  # of the two that repeat by themselves one is enough here
    (device, name)
    for device in ("p24", "rehastim2")
    for name in faults_of(device)
    if name in BEFORE_DEVICES or name.startswith("device_")
]


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    with Witness() as witness:
        faults = [faults_of("sim")[name] for name in NAMES]
        done = campaign(faults, TIMES, seed=1, witness=witness, jobs=JOBS, misses=MISSES)
    return {result.fault.name: result for result in done}


@pytest.fixture(scope="module")
def device_results() -> dict[tuple[str, str], Result]:
    with pty_workers(), Witness() as witness:
        faults = [faults_of(device)[name] for device, name in DEVICE_NAMES]
        done = campaign(faults, DEVICE_TIMES, seed=1, witness=witness, jobs=JOBS, misses=MISSES)
    return {(result.fault.setup.device, result.fault.name): result for result in done}


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first of them runs the whole campaign
@pytest.mark.parametrize("name", NAMES)
def test_no_pulse_outlives_the_fault(results: dict[str, Result], name: str) -> None:
    result = results[name]
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.survivors == 0, result.notes
    assert result.n == TIMES, result.missed


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("device", "name"), DEVICE_NAMES)
def test_no_pulse_of_a_device_outlives_the_fault(
    device_results: dict[tuple[str, str], Result], device: str, name: str
) -> None:
    result = device_results[device, name]
    assert result.survivors == 0, result.notes
    assert result.n == DEVICE_TIMES, result.missed
