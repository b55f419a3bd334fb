"""The decider with the real signal chain on synthetic EMG."""

import numpy as np
import pytest

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.design import ChainSpec, design
from dsp.quality import SETTLING
from nmesd.core.decider import Decider
from nmesd.core.journal import Entry
from nmesd.core.values import (
    Arm,
    CoreSettings,
    Disarm,
    Mode,
    ModeChanged,
    RestartChain,
    SetOutput,
    Trip,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS

RATE_HZ = 2000
RAIL_UV = 5000.0
COEFFICIENTS = design(ChainSpec(rate_mhz=RATE_HZ * 1000, rail_uv=RAIL_UV))
HOP = COEFFICIENTS.hop_samples
HOP_NS = HOP * 1_000_000_000 // RATE_HZ
SETTINGS = CoreSettings(
    rate_mhz=RATE_HZ * 1000,
    hop_samples=HOP,
    on_nv=20_000,
    off_nv=12_000,
    channel=0,
    amplitude_ua=10_000,
    pulse_width_us=250,
    period_us=25_000,
    ramp_up_ns=100 * NS_PER_MS,
    plateau_ns=200 * NS_PER_MS,
    ramp_down_ns=100 * NS_PER_MS,
    hold_off_ns=250 * NS_PER_MS,
    relax_ns=200 * NS_PER_MS,
)


class Run:
    """A decider, its chain, and everything it told."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, Entry]] = []
        self.decider: Decider[Array] = Decider(
            Chain(COEFFICIENTS, 1), SETTINGS, lambda hop, entry: self.notes.append((hop, entry))
        )
        self.flags: list[int] = []  # of every hop
        self._rng = np.random.default_rng(11)

    def emg(self, seconds: float, scale_uv: float) -> None:
        for _ in range(round(seconds * 1e9) // HOP_NS):
            self.decider.hop(self._rng.normal(scale=scale_uv, size=(HOP, 1)))
            self.flags.append(self.decider.last.flags)

    def kinds(self) -> list[tuple[str, Why | None]]:
        return [(type(e).__name__, getattr(e, "why", None)) for _, e in self.notes]


@pytest.fixture
def cycle() -> Run:
    run = Run()
    run.emg(1.0, 3)
    run.decider.act(Arm(run.decider.t_ns, 77, 0))
    run.emg(1.0, 3)
    run.emg(1.5, 60)  # effort goes on through train and hold-off
    run.emg(1.0, 3)
    return run


def test_a_cycle_is_noted_in_order(cycle: Run) -> None:
    ramp = [("SetOutput", Why.RAMP_UP)] * 3 + [("SetOutput", Why.RAMP_DOWN)] * 4
    assert cycle.kinds() == [
        ("Arm", None),
        ("ModeChanged", Why.OPERATOR),
        ("RestartChain", Why.OPERATOR),
        ("ModeChanged", Why.RELAXED),
        ("SetOutput", Why.ATTEMPT),
        ("ModeChanged", Why.ATTEMPT),
        *ramp,
        ("SetOutput", Why.TRAIN_OVER),
        ("ModeChanged", Why.TRAIN_OVER),
        ("RestartChain", Why.HOLD_OFF_OVER),
        ("ModeChanged", Why.RELAXED),
    ]
    hops = [hop for hop, _ in cycle.notes]
    assert hops == sorted(hops)
    assert all(entry.t_ns == hop * HOP_NS for hop, entry in cycle.notes)
    assert cycle.decider.state.mode is Mode.ARMED


def test_the_attempt_is_found_soon_after_it_began(cycle: Run) -> None:
    (start_ns,) = [
        e.t_ns for _, e in cycle.notes if isinstance(e, SetOutput) and e.why is Why.ATTEMPT
    ]
    assert 2000 * NS_PER_MS < start_ns < 2150 * NS_PER_MS


def test_every_restart_settles_anew(cycle: Run) -> None:
    restarts = [hop for hop, entry in cycle.notes if isinstance(entry, RestartChain)]
    assert len(restarts) == 2
    settling = [0, *restarts]
    for start in settling:
        flags = cycle.flags[start : start + COEFFICIENTS.settle_hops + 1]
        assert flags == [SETTLING] * COEFFICIENTS.settle_hops + [0]
    assert sum(map(bool, cycle.flags)) == len(settling) * COEFFICIENTS.settle_hops


def test_a_restart_from_outside_settles_anew() -> None:
    run = Run()
    run.emg(0.5, 3)
    assert run.flags[-1] == 0
    run.decider.restart_chain()
    run.emg(0.01, 3)
    assert set(run.flags[-10:]) == {SETTLING}
    assert run.notes == []


@pytest.mark.parametrize("act", [Disarm(0, 77), Trip(0, Reason.OPERATOR_STOP, 0, 0)])
def test_an_act_between_hops_counts_at_once(act: Disarm | Trip) -> None:
    run = Run()
    run.emg(1.0, 3)
    run.decider.act(Arm(run.decider.t_ns, 77, 0))
    run.emg(1.0, 3)
    run.emg(0.3, 60)
    assert run.decider.state.mode is Mode.STIMULATING
    run.notes.clear()
    hops = run.decider.hops
    commands = run.decider.act(act._replace(t_ns=run.decider.t_ns))
    assert run.decider.hops == hops
    assert not run.decider.armed
    assert [entry for _, entry in run.notes] == [act._replace(t_ns=run.decider.t_ns), *commands]
    zero, change = commands
    assert isinstance(zero, SetOutput)
    assert zero.amplitude_ua == 0
    assert isinstance(change, ModeChanged)
    run.emg(0.5, 60)  # and effort that goes on starts nothing
    assert len(run.notes) == 3


@pytest.mark.parametrize(
    ("value_uv", "hops", "reason"),
    [
        (np.nan, 1, Reason.EMG_NOT_FINITE),
        (RAIL_UV, 3, Reason.EMG_RAILED),
        (5.0, 101, Reason.EMG_FLAT),
    ],
)
@pytest.mark.parametrize("train", [False, True])
def test_emg_that_is_no_measurement_trips_also_in_mid_train(
    value_uv: float, hops: int, reason: Reason, train: bool
) -> None:
    run = Run()
    run.emg(0.5, 3)
    run.decider.act(Arm(run.decider.t_ns, 77, 0))
    if train:
        run.emg(1.0, 3)
        run.emg(0.2, 60)
    assert (run.decider.state.mode is Mode.STIMULATING) == train
    for _ in range(hops):
        assert run.decider.armed
        run.decider.hop(np.full((HOP, 1), value_uv))
    trip = run.decider.state.trip
    assert trip is not None
    assert trip.reason is reason
    last = [entry for _, entry in run.notes if isinstance(entry, SetOutput)][-1]
    assert last.amplitude_ua == 0


def test_two_runs_of_the_same_samples_are_the_same_to_the_integer() -> None:
    notes = []
    for _ in range(2):
        run = Run()
        run.emg(1.0, 3)
        run.decider.act(Arm(run.decider.t_ns, 77, 0))
        run.emg(1.0, 3)
        run.emg(1.0, 60)
        notes.append(run.notes)
    assert notes[0] == notes[1]
    assert len(notes[0]) > 10
