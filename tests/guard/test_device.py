"""A stimulator that fails: it gets zero, the guard trips, and nobody arms it until it obeys."""

import socket

import pytest

from nmesd.errors import DeviceError, Reason
from nmesd.wire import Disarm, Frame, GuardState, Reset, Stop
from tests.guard.turned import Bench


def gives(bench: Bench) -> bool:
    """A call, so that mypy does not think it stays as it was."""
    return bench.driver.gives


def failed(bench: Bench) -> bool:
    return (bench.report.state, bench.report.trip_reason) == (
        GuardState.TRIPPED,
        Reason.DEVICE_FAILED,
    )


@pytest.mark.parametrize("what", ["apply", "tick"])
def test_a_device_that_fails_gets_zero_and_the_guard_trips(bench: Bench, what: str) -> None:
    bench.arm()
    bench.driver.failing = {what}
    bench.lease()
    bench.until(lambda: failed(bench))
    assert not bench.driver.gives
    assert ("device failed", False) in bench.logged  # zero first, then words
    zeros = bench.driver.zeros
    bench.turn()
    bench.turn()
    assert bench.driver.zeros == zeros  # it took one, so it is not told again


def test_what_the_device_says_is_reported_with_its_numbers_and_logged_in_its_words(
    bench: Bench,
) -> None:
    bench.arm()
    bench.driver.failing = {"tick"}
    bench.driver.error = DeviceError("electrode error", Reason.DEVICE_ELECTRODE, 3, 2)
    bench.lease()
    bench.until(lambda: bench.report.state == GuardState.TRIPPED)
    report = bench.report
    assert (report.trip_reason, report.trip_value) == (Reason.DEVICE_ELECTRODE, 3)
    assert (report.trip_limit, report.trip_channel) == (2, -1)
    assert bench.facts[-1] == {"error": "electrode error"}


@pytest.mark.parametrize(
    "end", [Disarm(7), Stop(Reason.OPERATOR_STOP, 0, 0)], ids=["disarm", "stop"]
)
def test_a_zero_that_fails_is_tried_until_it_is_taken(bench: Bench, end: Frame) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.driver.failing = {"zero"}
    bench.turn(end)
    assert bench.report.state == GuardState.TRIPPED
    for _ in range(3):
        bench.turn()
    assert bench.driver.gives  # nothing to be done yet
    assert [event for event, _ in bench.logged].count("device failed") == 1  # but it is said, once
    bench.driver.failing = set()
    bench.turn()
    assert not gives(bench)
    zeros = bench.driver.zeros
    for _ in range(3):
        bench.turn()
    assert bench.driver.zeros == zeros  # it has taken it


def test_a_guard_whose_device_takes_no_zero_does_not_answer_as_if_it_had(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    bench.driver.failing = {"zero"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knocker:
        knocker.bind("")
        knocker.sendto(b"", bench.path + ".stop")
        bench.turn()
        answer = knocker.recv(64)
    assert bench.driver.gives
    assert answer != b"TRIPPED"


def test_a_device_that_takes_no_zero_cannot_be_armed(bench: Bench) -> None:
    bench.arm()
    bench.driver.failing = {"apply", "zero"}
    bench.lease()
    bench.until(lambda: failed(bench))
    bench.turn(Reset(7))
    bench.until(lambda: failed(bench))
    assert [event for event, _ in bench.logged].count("device failed") == 2
    bench.driver.failing = set()
    bench.turn()
    bench.turn(Reset(7))
    bench.until(lambda: bench.report.state == GuardState.DISARMED)
    bench.arm()
    bench.lease()
    assert bench.driver.gives


def test_a_bad_frame_gives_zero_before_it_is_told(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.link._socket.send(b"rubbish")
    bench.turn()
    assert bench.report.trip_reason == Reason.FRAME_BAD
    assert bench.logged[-2:] == [("guard state", False), ("bad frame", False)]


def test_the_end_of_the_loop_is_zero(bench: Bench) -> None:
    bench.arm()
    bench.lease()
    assert bench.driver.gives
    bench.guard.stopping = True
    bench.guard.run()
    assert not bench.driver.gives


def test_a_guard_that_ends_without_its_device_says_so_and_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.arm()
    bench.lease()

    def unplugged() -> None:
        bench.driver.failing = {"zero"}
        bench.guard.stopping = True

    monkeypatch.setattr(bench.guard, "_turn", unplugged)
    bench.guard.run()
    assert "device failed" in [event for event, _ in bench.logged]
    assert bench.read()[-1].trip_reason == Reason.GUARD_SHUTDOWN
