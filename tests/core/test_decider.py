"""The decider with the real signal chain on synthetic EMG."""

import numpy as np
import pytest

from dsp.blocks import Array
from dsp.chain import Chain
from dsp.design import ChainSpec, design
from dsp.quality import SETTLING
from nmesd.core.decider import Decider, thresholds
from nmesd.core.journal import Entry
from nmesd.core.state import State
from nmesd.core.values import (
    Arm,
    CoreSettings,
    CueKind,
    Disarm,
    Kind,
    Mode,
    ModeChanged,
    Muscle,
    Outcome,
    OutputSettings,
    Programme,
    RestartChain,
    SetOutput,
    Trip,
    Tune,
    Why,
)
from nmesd.errors import Reason
from nmesd.units import NS_PER_MS

RATE_HZ = 2000
RAIL_UV = 5000.0
COEFFICIENTS = design(ChainSpec(rate_mhz=RATE_HZ * 1000, rail_uv=RAIL_UV))
HOP = COEFFICIENTS.hop_samples
HOP_NS = HOP * 1_000_000_000 // RATE_HZ
PROGRAMME = Programme(
    kind=Kind.TRIGGERED,
    period_us=25_000,
    ramp_up_ns=100 * NS_PER_MS,
    plateau_ns=200 * NS_PER_MS,
    ramp_down_ns=100 * NS_PER_MS,
    hold_off_ns=250 * NS_PER_MS,
    relax_ns=200 * NS_PER_MS,
)
ONE = Muscle(0, 20_000, 12_000, 12_000, 40_000, (OutputSettings(0, 10_000, 250),))
SETTINGS = CoreSettings(RATE_HZ * 1000, HOP, (ONE,), PROGRAMME)


class Run:
    """A decider, its chain, and everything it told."""

    def __init__(self, settings: CoreSettings = SETTINGS, channels: int = 1) -> None:
        self.notes: list[tuple[int, Entry]] = []
        chain = Chain(COEFFICIENTS, channels) if channels else None
        self.decider: Decider[Array] = Decider(
            chain, settings, lambda hop, entry: self.notes.append((hop, entry))
        )
        self.flags: list[int] = []  # of every hop
        self._rng = np.random.default_rng(11)

    def emg(self, seconds: float, *scale_uv: float) -> None:
        for _ in range(round(seconds * 1e9) // HOP_NS):
            self.decider.hop(self._rng.normal(scale=scale_uv, size=(HOP, len(scale_uv))))
            self.flags.append(self.decider.last.flags)

    def arm(self) -> None:
        self.decider.act(Arm(self.decider.t_ns, 77, 0))

    def kinds(self) -> list[tuple[str, object]]:
        return [
            (type(e).__name__, getattr(e, "why", getattr(e, "cue", getattr(e, "outcome", None))))
            for _, e in self.notes
        ]


@pytest.fixture
def cycle() -> Run:
    run = Run()
    run.emg(1.0, 3)
    run.arm()
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
        ("Cue", CueKind.REST),
        ("ModeChanged", Why.RELAXED),
        ("Cue", CueKind.TRY),
        ("SetOutput", Why.ATTEMPT),
        ("ModeChanged", Why.ATTEMPT),
        *ramp,
        ("SetOutput", Why.TRAIN_OVER),
        ("ModeChanged", Why.TRAIN_OVER),
        ("TrialDone", Outcome.SUCCESS),
        ("Cue", CueKind.WELL_DONE),
        ("ModeChanged", Why.HOLD_OFF_OVER),
        ("RestartChain", Why.HOLD_OFF_OVER),
        ("Cue", CueKind.REST),
        ("ModeChanged", Why.RELAXED),
        ("Cue", CueKind.TRY),
    ]
    hops = [hop for hop, _ in cycle.notes]
    assert hops == sorted(hops)
    assert all(entry.t_ns == hop * HOP_NS for hop, entry in cycle.notes)
    assert cycle.decider.state.mode is Mode.READY


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
    run.arm()
    run.emg(1.0, 3)
    run.emg(0.3, 60)
    assert run.decider.state.mode is Mode.STIMULATING
    run.notes.clear()
    hops = run.decider.hops
    commands = run.decider.act(act._replace(t_ns=run.decider.t_ns))
    assert run.decider.hops == hops
    assert not run.decider.armed
    assert [entry for _, entry in run.notes] == [act._replace(t_ns=run.decider.t_ns), *commands]
    zero = commands[0]
    assert isinstance(zero, SetOutput)
    assert zero.amplitude_ua == 0
    assert any(isinstance(command, ModeChanged) for command in commands)
    told = len(run.notes)
    run.emg(0.5, 60)  # and effort that goes on starts nothing
    assert len(run.notes) == told


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
    run.arm()
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
        run.arm()
        run.emg(1.0, 3)
        run.emg(1.0, 60)
        notes.append(run.notes)
    assert notes[0] == notes[1]
    assert len(notes[0]) > 10


def test_each_column_has_its_own_threshold() -> None:
    other = ONE._replace(emg=1, on_nv=90_000, antagonist=2, veto_nv=30_000)
    settings = SETTINGS._replace(muscles=(ONE, other))
    assert thresholds(settings, State()) == ((20_000, 90_000, 30_000), (12_000, 12_000, 30_000))
    moved = State(on_nv=(25_000, 80_000))  # the staircase did
    assert thresholds(settings, moved)[0] == (25_000, 80_000, 30_000)
    run = Run(settings, 3)
    run.emg(1.0, 3, 3, 3)
    run.arm()
    run.emg(1.0, 3, 3, 3)
    modes = [run.decider.state.mode]
    run.emg(0.3, 3, 60, 3)  # below the second muscle's threshold
    modes.append(run.decider.state.mode)
    run.emg(0.3, 3, 200, 120)  # its antagonist is active too
    modes.append(run.decider.state.mode)
    assert run.decider.state.vetoed
    run.emg(0.5, 3, 3, 3)
    run.emg(0.3, 3, 200, 3)
    assert [*modes, run.decider.state.mode] == [Mode.READY] * 3 + [Mode.STIMULATING]
    assert run.decider.state.muscle == 1


def test_a_moved_threshold_is_the_next_hop_s() -> None:
    adaptive = PROGRAMME._replace(
        target_permille=500, step_permille=200, timeout_ns=500 * NS_PER_MS
    )
    run = Run(SETTINGS._replace(programme=adaptive))
    run.emg(1.0, 3)
    run.arm()
    run.emg(1.3, 3)  # a miss
    (after_nv,) = run.decider.state.on_nv
    assert ONE.floor_nv < after_nv < ONE.on_nv
    run.emg(0.5, 3)
    run.emg(0.2, 60)
    (change,) = [
        e for _, e in run.notes if isinstance(e, ModeChanged) and e.after is Mode.STIMULATING
    ]
    assert change.limit == after_nv


def test_without_emg_it_decides_by_ticks() -> None:
    cyclic = PROGRAMME._replace(kind=Kind.CYCLIC, rest_ns=100 * NS_PER_MS, trials=2)
    run = Run(SETTINGS._replace(programme=cyclic), channels=0)
    run.decider.restart_chain()  # of nothing
    assert run.decider.last.flags == 0
    run.arm()
    for _ in range(2000):
        run.decider.tick()
    told = [kind for kind in run.kinds() if kind[0] == "TrialDone"]
    assert told == [("TrialDone", Outcome.GIVEN)] * 2
    assert run.decider.state.mode is Mode.DISARMED
    assert run.decider.state.dose.pulses > 0


def test_a_tuned_threshold_decides_from_the_next_hop_on() -> None:
    run = Run()
    run.emg(1.0, 2.0)
    run.arm()
    run.emg(1.0, 2.0)
    modes = [run.decider.state.mode]
    run.emg(0.5, 15.0)
    modes.append(run.decider.state.mode)  # 15, of which the band leaves 10, are not 20 µV
    run.decider.act(Tune(run.decider.t_ns, 77, 0, 8_000, 6_000, 6_000, 40_000, 0))
    assert run.decider.settings.muscles[0][1:5] == (8_000, 6_000, 6_000, 40_000)
    run.emg(1.0, 15.0)
    modes.append(run.decider.state.mode)  # they are over the new one, but no attempt: never relaxed
    run.emg(0.5, 2.0)
    run.emg(0.3, 15.0)
    modes.append(run.decider.state.mode)
    assert modes == [Mode.READY, Mode.READY, Mode.REST, Mode.STIMULATING]
