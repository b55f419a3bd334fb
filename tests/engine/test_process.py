"""The engine itself, turn by turn: real frames to a guard and a daemon that are played, made-up EMG and time."""

from typing import Any

import numpy as np
import pytest

from nmesd.core.values import (
    Mode,
)
from nmesd.errors import Reason
from nmesd.wire import (
    ANY,
    ActKind,
    ActReply,
    Arm,
    Capabilities,
    Disarm,
    GuardState,
    Stop,
    is_zero,
    session_token,
)
from tests.engine.played import CHUNK, OPERATOR, OURS, RAIL_UV, RIVAL, Bench, Clock, Network, report

# ---- beliefs --------------------------------------------------------------------------------------


def test_every_lease_says_what_the_core_believes(bench: Bench) -> None:
    bench.train()
    bench.turns(0.1)
    leases = bench.leases()
    assert all(lease.believes_armed for lease in leases)
    assert {bool(lease.believes_output) for lease in leases} == {False, True}
    assert all(bool(lease.believes_output) is not is_zero(lease.output) for lease in leases)


def test_the_beliefs_are_the_core_s_and_not_read_off_the_output(bench: Bench) -> None:
    """An engine whose output is not what its core decided says so, for the guard to see."""
    bench.train()
    decider = bench.engine._decider
    assert decider.state.train is not None
    train = decider.state.train._replace(given_ua=(0,), update_ns=2**62)
    decider.state = decider.state._replace(train=train)
    bench.to_guard.clear()
    bench.turns(0.05)
    assert bench.leases()
    assert all(not is_zero(lease.output) for lease in bench.leases())
    assert all(not lease.believes_output for lease in bench.leases())


# ---- an operator's disarm -------------------------------------------------------------------------


def test_a_disarm_is_passed_on_once_with_the_operator_s_number(bench: Bench) -> None:
    bench.train()
    bench.to_guard.clear()
    bench.act(ActKind.DISARM)
    bench.until(lambda: bench.is_(Mode.DISARMED))
    assert bench.others() == [Disarm(OPERATOR)]


def test_a_disarm_is_passed_on_also_when_not_armed(bench: Bench) -> None:
    bench.until(bench.ready)
    bench.act(ActKind.DISARM)
    bench.until(bench.others)
    assert bench.others() == [Disarm(OPERATOR)]
    bench.network.streams.append(RIVAL)
    bench.until(lambda: bench.inhibited(Reason.EMG_AMBIGUOUS))
    assert ActReply(1, Reason.NONE, 0, 0) in bench.to_daemon


def test_a_disarm_of_the_engine_s_own_is_nobody_s(bench: Bench) -> None:
    """The guard armed, and meanwhile the amplifier went to its rail."""
    bench.until(bench.ready)
    bench.obeys = False
    bench.act(ActKind.ARM)
    bench.until(bench.others)
    (arm,) = bench.others()
    assert isinstance(arm, Arm)
    assert arm.operator == OPERATOR
    bench.network.value_uv = RAIL_UV
    bench.until(lambda: bench.inhibited(Reason.EMG_RAILED))
    assert bench.guard is not None
    bench.guard.send(report(GuardState.ARMED, session_token(arm)))
    bench.until(lambda: len(bench.others()) > 1)
    assert bench.others()[1:] == [Disarm(0)]
    (refused,) = [frame for frame in bench.to_daemon if isinstance(frame, ActReply)]
    assert refused.reason == Reason.EMG_RAILED


# ---- the stimulator -------------------------------------------------------------------------------


def test_a_stimulator_that_can_give_what_is_asked_is_told_to_the_daemon(bench: Bench) -> None:
    bench.device = ANY._replace(payload=b"a P24")
    bench.until(bench.ready)
    assert [frame for frame in bench.to_daemon if isinstance(frame, Capabilities)] == [bench.device]


@pytest.mark.parametrize(
    "coarse",
    [
        {"channels": 0},
        {"amplitude_most_ua": 9_000},
        {"amplitude_least_ua": 3_000, "amplitude_step_ua": 5_000},
        {"width_least_us": 300},
        {"period_least_us": 25_000},
    ],
    ids=str,
)
def test_one_that_cannot_forbids_arming(bench: Bench, coarse: dict[str, Any]) -> None:
    bench.device = ANY._replace(**coarse)
    bench.until(lambda: bench.inhibited(Reason.DEVICE_CANNOT))
    bench.until(lambda: not bench.inhibited(Reason.EMG_SETTLING))
    bench.act(ActKind.ARM)
    bench.until(lambda: any(isinstance(frame, ActReply) for frame in bench.to_daemon))
    (refused,) = [frame for frame in bench.to_daemon if isinstance(frame, ActReply)]
    assert refused.reason == Reason.DEVICE_CANNOT
    assert bench.others() == []


def test_another_guard_with_a_stimulator_that_can_lifts_it(bench: Bench) -> None:
    bench.device = ANY._replace(channels=0)
    bench.until(lambda: bench.inhibited(Reason.DEVICE_CANNOT))
    assert bench.guard is not None
    bench.guard.close()
    bench.guard, bench.device = None, ANY
    bench.until_connected()
    bench.until(bench.ready)


# ---- EMG that is no measurement -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_uv", "reason", "most_ms"),
    [
        (np.nan, Reason.EMG_NOT_FINITE, 1),
        (RAIL_UV, Reason.EMG_RAILED, 3),
        (-RAIL_UV, Reason.EMG_RAILED, 3),
        (5.0, Reason.EMG_FLAT, 101),
    ],
)
def test_it_stops_a_train_with_its_name(
    value_uv: float, reason: Reason, most_ms: int, bench: Bench
) -> None:
    bench.train()
    bench.network.value_uv = value_uv
    bench.until(lambda: Stop(reason, 0, 0) in bench.others())
    assert len(bench.network.stuck) <= -(-most_ms // CHUNK) * CHUNK  # not a chunk too late
    bench.network.value_uv = None


@pytest.mark.parametrize(
    ("value_uv", "reason"), [(RAIL_UV, Reason.EMG_RAILED), (5.0, Reason.EMG_FLAT)]
)
def test_it_forbids_arming_until_it_is_over(value_uv: float, reason: Reason, bench: Bench) -> None:
    bench.until(bench.ready)
    bench.network.value_uv = value_uv
    bench.until(lambda: bench.inhibited(reason))
    bench.act(ActKind.ARM)
    bench.until(lambda: any(isinstance(frame, ActReply) for frame in bench.to_daemon))
    assert ActReply(1, reason, 0, 0) in bench.to_daemon
    assert bench.others() == []
    bench.network.value_uv = None
    bench.until(bench.ready)


# ---- a second stream ------------------------------------------------------------------------------


def test_a_second_stream_that_fits_stops_and_forbids_until_it_is_gone(bench: Bench) -> None:
    bench.train()
    bench.network.streams.append(RIVAL)
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_AMBIGUOUS, 2, 1)
    bench.network.loudness_uv = 2
    bench.act(ActKind.RESET)
    bench.until(lambda: bench.is_(Mode.DISARMED))
    assert bench.inhibited(Reason.EMG_AMBIGUOUS)
    samples = bench.ear._samples
    bench.turns(0.1)
    assert bench.ear._samples > samples  # the open one is kept open
    bench.network.streams.remove(RIVAL)
    bench.arm()


def test_streams_that_do_not_fit_and_our_own_are_no_rivals(bench: Bench) -> None:
    bench.arm()
    bench.network.streams += [RIVAL._replace(name="other"), RIVAL._replace(channels=2), OURS]
    bench.turns(1.2)
    assert bench.is_(Mode.READY)


def test_one_that_is_not_heard_of_for_a_while_stays_open(bench: Bench) -> None:
    """The resolver may miss ours; alone among others, another is still another."""
    bench.arm()
    opened = bench.ear._stream._inlet
    search = Network(Clock())
    search.streams = []
    bench.ear._stream._search = search  # type: ignore[assignment]
    bench.turns(0.6)
    assert bench.is_(Mode.READY)
    search.streams = [RIVAL]
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_AMBIGUOUS, 2, 1)
    assert bench.ear._stream._inlet is opened


def test_a_stream_that_went_is_not_taken_for_a_rival_of_the_next(bench: Bench) -> None:
    bench.arm()
    bench.network.streams = [RIVAL]  # ours ended, and its sender begins anew
    bench.until(lambda: bench.is_(Mode.TRIPPED))
    assert bench.others()[-1] == Stop(Reason.EMG_STREAM_GONE, 0, 0)
    bench.act(ActKind.RESET)
    bench.arm()


# ---- the end --------------------------------------------------------------------------------------


def test_told_to_end_it_stops_first(bench: Bench) -> None:
    """A reload or a shutdown in mid-train."""
    bench.train()
    bench.engine.ending = True
    bench.engine.run()
    bench.turn()
    assert Stop(Reason.ENGINE_SHUTDOWN, 0, 0) in bench.others()
