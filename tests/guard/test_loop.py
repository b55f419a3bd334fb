"""The loop turned by hand: what it reads, when it reports, whom it hears, what it lets the device do."""

import signal
import socket
import subprocess
import sys

import pytest

from nmesd.errors import Reason
from nmesd.guard.loop import MOST_FRAMES, TICK_NS, Guard
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import ZERO, Arm, Disarm, GuardState, Hello, Histogram, Output, Stage, Stop
from nmesd.wire.histogram import pairs_of
from tests.guard.turned import GIVING, LIMITS_HASH, Bench

HOLDER = """
import sys
from nmesd.wire.lifeline import hold
print(hold(sys.argv[1]), flush=True)
sys.stdin.read()
"""


def holder(path: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def state(bench: Bench) -> tuple[GuardState, Reason]:
    return GuardState(bench.report.state), Reason(bench.report.trip_reason)


def test_it_reports_at_every_tick_and_at_no_other_time(bench: Bench) -> None:
    for _ in range(20):
        before_ns = bench.clock.now_ns
        bench.guard._turn()
        assert bench.clock.now_ns - before_ns >= TICK_NS
    assert len(bench.read()) == 20
    bench.arm()
    bench.read()
    for _ in range(4):
        bench.link.send(bench.leased(ZERO))
        bench.guard._turn()  # at once: a lease is there
    assert bench.read() == []


def stages(bench: Bench) -> dict[Stage, Histogram]:
    """What the guard measured in the second that is over."""
    bench.read()
    bench.timings.clear()
    bench.clock.now_ns += NS_PER_S
    bench.turn(bench.leased(ZERO))
    return {Stage(one.stage): Histogram.of(pairs_of(one), one.max_ns) for one in bench.timings}


def test_it_measures_its_stages_and_tells_of_them_once_a_second(bench: Bench) -> None:
    bench.arm()
    stages(bench)
    bench.arm_again()
    for _ in range(5):
        now_ns = bench.clock.now_ns
        bench.turn(bench.leased()._replace(sample_ns=now_ns - 300_000))
    pulses = bench.report.pulses
    assert 0 < pulses < 5
    assert bench.timings == []
    bench.driver.took_ns = (7_000, 9_000)
    bench.turn(bench.leased())  # of a clock that is not ours: sample and arrival are one
    met = stages(bench)
    assert set(met) == {Stage.GUARD, Stage.SAMPLE_TO_GUARD, Stage.DEVICE_WRITE, Stage.DEVICE_ACK}
    assert (met[Stage.GUARD].count, met[Stage.GUARD].max_ns) == (
        6,
        10_000,
    )  # what a wait takes here
    assert (met[Stage.SAMPLE_TO_GUARD].count, met[Stage.SAMPLE_TO_GUARD].max_ns) == (5, 310_000)
    assert (met[Stage.DEVICE_WRITE].count, met[Stage.DEVICE_WRITE].max_ns) == (pulses, 0)
    assert (met[Stage.DEVICE_ACK].count, met[Stage.DEVICE_ACK].max_ns) == (2, 9_000)


def test_a_lease_that_is_refused_is_not_measured(bench: Bench) -> None:
    bench.arm()
    stages(bench)
    bench.arm_again()
    bench.turn(bench.leased()._replace(session=1))
    assert state(bench) == (GuardState.TRIPPED, Reason.SESSION_MISMATCH)
    assert stages(bench) == {}


def test_a_report_tells_what_the_guard_is_and_what_it_gave(bench: Bench) -> None:
    bench.arm()
    report = bench.report
    assert (report.limits_hash, report.session) == (LIMITS_HASH, bench.session)
    assert (report.output_on, report.pulses, report.charge_pc) == (0, 0, 0)
    assert report[12:16] == (0, 0, 0, 0)  # no first pulse yet
    assert (report.real_time, report.simulated) == (0, 1)
    lease = bench.leased()
    bench.turn(lease)  # the first pulse is reported at once
    report = bench.report
    assert (report.output_on, report.pulses, report.charge_pc) == (1, 1, 2_500_000)
    assert report.ack_sequence == report.first_sequence == bench.link.sequence
    assert report.first_sample_ns == lease.sample_ns
    assert report.first_received_ns <= report.first_written_ns <= bench.clock.now_ns
    first = report
    while bench.report.pulses < 4:
        bench.lease()
    bench.until(lambda: bench.report.output_on == 1)
    assert bench.report.first_sequence == first.first_sequence
    bench.turn(Stop(Reason.EMG_GAP, 5, 4))
    report = bench.report
    assert state(bench) == (GuardState.TRIPPED, Reason.EMG_GAP)
    assert (report.trip_value, report.trip_limit, report.trip_channel) == (5, 4, -1)
    assert (report.output_on, report.session) == (0, 0)
    assert report.charge_pc == report.pulses * 2_500_000


def test_each_train_has_its_own_first_pulse(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    first = bench.report.first_sequence
    bench.lease(ZERO)
    for _ in range(4):  # a period at least from the last pulse, in turns that are not late
        bench.clock.now_ns += 5 * NS_PER_MS
        bench.turn()
    bench.lease()
    bench.turn()
    assert bench.report.first_sequence > first
    assert bench.report.first_written_ns > bench.report.first_sample_ns


def test_a_first_pulse_is_the_first_though_the_output_changed_before_it(bench: Bench) -> None:
    bench.arm()
    weaker = (GIVING[0]._replace(amplitude_ua=9000), *GIVING[1:])
    bench.turn(bench.leased(weaker), bench.leased())
    assert bench.report.first_sequence == bench.link.sequence
    assert bench.report.pulses == 1


def test_an_output_that_changes_in_mid_train_has_no_new_first_pulse(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    first, pulses = bench.report.first_sequence, bench.report.pulses
    weaker = (GIVING[0]._replace(amplitude_ua=9000), *GIVING[1:])
    while bench.report.pulses < pulses + 3:
        bench.lease(weaker)
    assert bench.report.first_sequence == first


def test_it_is_born_with_the_time_and_a_nonce_of_its_own_and_nothing_else(bench: Bench) -> None:
    assert bench.driver.zeros == 0  # it owes none
    born = [
        Guard(bench.config, bench.driver, bench.door, bench.log, real_time=True) for _ in range(2)
    ]
    for guard in born:
        assert guard._state.now_ns == bench.clock.now_ns
        assert guard._state.output == ZERO
        assert guard._state.state is GuardState.DISARMED
        assert guard.stopping is False
    assert born[0]._state.nonce != born[1]._state.nonce
    assert 2**64 > max(guard._state.nonce for guard in born) > 2**48


def test_what_the_device_gave_is_in_the_session_s_account(bench: Bench) -> None:
    bench.arm()
    while bench.guard._pulses < 5:
        bench.lease()
    assert bench.guard._state.tally.dose_pc == bench.guard._charge_pc == 5 * 2_500_000


def test_a_device_whose_pulses_do_not_balance_is_stopped(bench: Bench) -> None:
    bench.arm()
    bench.driver.net_pc = -3
    bench.lease()
    bench.until(lambda: bench.report.state == GuardState.TRIPPED)
    assert state(bench) == (GuardState.TRIPPED, Reason.LIMIT_BALANCE)
    assert (bench.report.trip_value, bench.report.trip_limit) == (-3, 0)
    assert not bench.driver.gives


def test_no_flood_of_frames_keeps_it_from_its_clock(bench: Bench) -> None:
    bench.arm()
    sent = 0
    while sent < MOST_FRAMES + 20 and bench.link.send(bench.leased(ZERO)):
        sent += 1
    before = bench.guard._state.sequence
    bench.guard._turn()
    assert bench.guard._state.sequence - before == min(sent, MOST_FRAMES)
    bench.until(lambda: bench.report.ack_sequence == before + sent)
    assert state(bench) == (GuardState.ARMED, Reason.NONE)


def test_pulses_come_no_faster_than_their_period(bench: Bench) -> None:
    bench.arm()
    start_ns = bench.clock.now_ns
    while bench.clock.now_ns < start_ns + 500 * NS_PER_MS:
        bench.lease()
        bench.turn()
    period_ns = GIVING[0].period_us * 1000
    assert bench.guard._pulses == (bench.clock.now_ns - start_ns) // period_ns + 1


def test_the_device_gives_nothing_under_a_lease_that_has_just_ended(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    pulses = bench.guard._pulses
    bench.guard._next_pulse_ns = 0
    bench.clock.now_ns = bench.guard._state.expiry_ns
    bench.guard._attend_device()
    assert bench.guard._pulses == pulses
    bench.clock.now_ns -= 1
    bench.guard._attend_device()
    assert bench.guard._pulses == pulses + 1
    bench.clock.now_ns += 1


def test_the_end_of_the_connection_is_the_engine_s_end(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    bench.link.close()
    bench.guard._turn()
    assert bench.guard._state.trip is not None
    assert bench.guard._state.trip.reason is Reason.ENGINE_GONE
    assert not bench.driver.gives
    assert bench.door.client is None


def test_a_client_that_goes_while_disarmed_leaves_nothing_latched(bench: Bench) -> None:
    bench.link.close()
    bench.guard._turn()
    assert bench.guard._state.state is GuardState.DISARMED
    bench.guard._turn()  # reports to nobody
    bench.link = bench.connect()
    bench.turn()  # it is let in
    bench.arm()


def test_a_second_client_is_sent_away(bench: Bench) -> None:
    bench.arm()
    other = bench.connect()
    bench.turn()
    assert other.receive() is None
    assert other.closed
    assert state(bench) == (GuardState.ARMED, Reason.NONE)
    other.close()


def test_a_knock_stops_and_is_answered_with_the_state(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knocker:
        knocker.bind("")
        knocker.sendto(b"", bench.path + ".stop")
        bench.turn()
        assert knocker.recv(64) == b"TRIPPED"
    assert state(bench) == (GuardState.TRIPPED, Reason.OPERATOR_STOP)
    assert not bench.driver.gives


def test_an_engine_that_holds_the_lifeline_is_found_dead_while_its_connection_lives(
    bench: Bench,
) -> None:
    process = holder(bench.path + ".life")
    bench.arm()
    bench.lease(ahead_ns=100 * NS_PER_MS)
    assert bench.guard._pulses == 1
    end(process)
    bench.until(lambda: bench.report.state != GuardState.ARMED)
    assert state(bench) == (GuardState.TRIPPED, Reason.ENGINE_GONE)
    assert not bench.driver.gives
    assert not bench.link.closed


def test_an_engine_that_dies_while_disarmed_leaves_nothing_latched(bench: Bench) -> None:
    process = holder(bench.path + ".life")
    bench.turn(Hello(9, 1))
    end(process)
    bench.until(lambda: not bench.door.lifeline._waiting)
    for _ in range(3):
        bench.turn()
    assert bench.guard._state.state is GuardState.DISARMED


def test_frames_after_a_bad_one_are_read_in_the_next_turn(bench: Bench) -> None:
    bench.arm()
    bench.link._socket.send(b"rubbish")
    bench.link.send(Disarm(7))
    bench.turn()
    assert state(bench) == (GuardState.TRIPPED, Reason.FRAME_BAD)
    assert "frame of 7 bytes" in bench.facts[-1]["error"]
    bench.turn()
    assert bench.report.ack_sequence in (bench.link.sequence, bench.link.sequence - 1)


def test_each_change_is_told_in_words_once(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    bench.turn(Stop(Reason.EMG_GAP, 5 * NS_PER_MS, 4 * NS_PER_MS))
    bench.turn()
    told = [(facts["before"], facts["after"]) for facts in bench.facts]
    assert told == [("DISARMED", "ARMED"), ("ARMED", "TRIPPED")]
    facts = bench.facts[1]
    assert (facts["reason"], facts["value"], facts["limit"]) == (
        "EMG_GAP",
        5 * NS_PER_MS,
        4 * NS_PER_MS,
    )
    assert "EMG samples are missing (5.0 ms, limit 4.0 ms)" in facts["text"]
    assert "reason" not in bench.facts[0]


def test_a_refused_arm_tells_why(bench: Bench) -> None:
    bench.turn(Hello(9, 1), Arm(bench.report.nonce, 0, LIMITS_HASH, 9))
    assert state(bench) == (GuardState.TRIPPED, Reason.SESSION_MISMATCH)


def test_zero_is_the_first_thing_a_guard_commands(bench: Bench) -> None:
    bench.driver.gives = True  # as another program left it
    bench.guard.stopping = True
    bench.guard.run()
    assert not bench.driver.gives
    assert bench.driver.zeros >= 2
    bench.read()
    assert state(bench) == (GuardState.TRIPPED, Reason.GUARD_SHUTDOWN)


def test_a_lease_that_only_renews_commands_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[Output] = []
    apply = bench.driver.apply

    def noted(output: Output, now_ns: int) -> None:
        applied.append(output)
        apply(output, now_ns)

    monkeypatch.setattr(bench.driver, "apply", noted)
    bench.arm()
    for _ in range(5):
        bench.lease()
    assert applied == [ZERO, GIVING]  # silent and ready from the arming on
