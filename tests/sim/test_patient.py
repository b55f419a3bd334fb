import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nmesd.sim.spec import spec_from_json
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.wire import Pulse, encode

Start = Callable[..., Any]
NO_ATTEMPTS = {"first_attempt_s": 1e6, "mains_uv": 0}


@pytest.fixture
def patient(start: Start) -> Callable[..., Any]:
    def make(spec: dict[str, Any], *options: str) -> Any:
        child = start("patient", "--json", json.dumps(spec), *options)
        child.ready = child.event("ready")
        return child

    return make


def index_of(stamps_s: list[float], ready: dict[str, Any]) -> NDArray[np.int64]:
    index = (np.array(stamps_s) - ready["lsl_start"]) * 1000
    return np.asarray(np.rint(index), dtype=np.int64)


def test_it_streams_the_model_in_real_time_with_the_truth(patient: Start, listen: Start) -> None:
    spec = {"seed": 3, "first_attempt_s": 1.5, "channels": 2}
    child = patient(spec)
    truth, emg = listen(child.ready["source_id"] + "-truth"), listen(child.ready["source_id"])
    attempt = child.event("attempt")
    emg.past(attempt["offset_lsl"])
    truth.until(lambda here: len(here.samples) == 2)

    at = index_of(emg.stamps, child.ready)
    assert (np.diff(at) == 1).all()
    expected = VirtualPatient(spec_from_json(json.dumps(spec))).generate(at[-1] + 1)[at]
    assert np.array_equal(emg.emg.astype(np.float32), expected.astype(np.float32))
    assert [words[0].split()[0] for words in truth.samples] == ["onset", "offset"]
    assert truth.stamps == pytest.approx([attempt["onset_lsl"], attempt["offset_lsl"]], abs=1e-6)
    assert attempt["onset_lsl"] - child.ready["lsl_start"] == pytest.approx(1.5, abs=1e-6)
    assert abs(time.monotonic() - emg.stamps[-1]) < 5

    child.process.send_signal(signal.SIGTERM)
    assert child.event("ended")["samples"] >= len(emg.samples)
    assert child.process.wait(20) == 0


def test_pulses_show_in_the_stream_at_their_time(
    patient: Start, listen: Start, tmp_path: Path
) -> None:
    socket_path, log = tmp_path / "pulses", tmp_path / "pulses.jsonl"
    child = patient(NO_ATTEMPTS, "--pulses", str(socket_path), "--pulse-log", str(log))
    emg = listen(child.ready["source_id"]).count(100)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stimulator:
        given = []
        for number in range(1, 4):
            given.append(time.monotonic_ns())
            frame = Pulse(given[-1], 0, 20_000, 300)
            stimulator.sendto(encode(frame, number, given[-1]), str(socket_path))
            time.sleep(0.1)
        zero = Pulse(time.monotonic_ns(), 0, 0, 0)
        stimulator.sendto(encode(zero, 4, zero.given_ns), str(socket_path))
    emg.past(given[-1] / 1e9 + 0.2)
    stamps = np.array(emg.stamps)
    shown = stamps[emg.emg[:, 0] > 15_000]
    assert len(shown) == 3
    # never before the pulse; later only by as much as the machine kept the message waiting
    late = shown - np.array(given) / 1e9
    assert (late > -1e-6).all()
    assert (late < 0.5).all()
    assert np.median(late) < 0.1

    child.process.send_signal(signal.SIGTERM)
    assert child.event("ended")["pulses"] == 3
    assert child.process.wait(20) == 0  # it tidies up after that line
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert [p["amplitude_ua"] for p in logged] == [20_000, 20_000, 20_000, 0]
    assert logged[0]["given_ns"] == given[0]
    assert not socket_path.exists()


def test_orders_for_faults_are_obeyed_and_acknowledged(patient: Start, listen: Start) -> None:
    child = patient(NO_ATTEMPTS)
    emg = listen(child.ready["source_id"]).count(50)
    acks = {}
    for order in (
        {"fault": "gap", "samples": 50},
        {"fault": "nan"},
        {"fault": "rail", "samples": 40},
        {"fault": "flat", "samples": 60},
    ):
        child.order(**order)
        ack = acks[order["fault"]] = child.event("fault")
        assert ack["fault"] == order["fault"]
        emg.past(ack["at_ns"] / 1e9 + 0.1)
    child.order(fault="nonsense")
    assert "nonsense" in child.event("refused")["reason"]

    at, uv = index_of(emg.stamps, child.ready), emg.emg[:, 0]
    jump = np.flatnonzero(np.diff(at) != 1)
    assert len(jump) == 1
    assert at[jump[0]] + 1 == acks["gap"]["sample"]
    assert at[jump[0] + 1] == acks["gap"]["sample"] + 50
    assert at[np.isnan(uv)].tolist() == [acks["nan"]["sample"]]
    railed = at[uv == 187_500]
    assert railed.tolist() == list(range(acks["rail"]["sample"], acks["rail"]["sample"] + 40))
    still = at[1:][np.diff(uv) == 0]
    flat = [i for i in still if i not in railed]
    assert flat == list(range(acks["flat"]["sample"], acks["flat"]["sample"] + 60))
    for ack in acks.values():
        assert ack["at_ns"] / 1e9 == pytest.approx(
            child.ready["lsl_start"] + ack["sample"] / 1000, abs=1e-6
        )


def test_a_stall_withholds_and_loses_nothing(patient: Start, listen: Start) -> None:
    child = patient(NO_ATTEMPTS)
    emg = listen(child.ready["source_id"]).count(50)
    child.order(fault="stall", seconds=1.5)
    ack = child.event("fault")
    emg.past(ack["at_ns"] / 1e9 - 0.01)
    assert emg.stamps[-1] < ack["at_ns"] / 1e9  # all that came before it, and no more
    emg.past(ack["at_ns"] / 1e9 + 1.0)
    assert time.monotonic() > ack["at_ns"] / 1e9 + 1.4
    assert (np.diff(index_of(emg.stamps, child.ready)) == 1).all()


def test_another_rate_is_honest_and_the_end_is_the_end(patient: Start, listen: Start) -> None:
    child = patient(NO_ATTEMPTS)
    emg = listen(child.ready["source_id"]).count(50)
    child.order(fault="rate", factor=0.5)
    ack = child.event("fault")
    emg.past(ack["at_ns"] / 1e9 + 0.5)
    stamps = np.array(emg.stamps)
    steps = np.diff(stamps)
    after = stamps[:-1] > ack["at_ns"] / 1e9 - 1e-4
    assert steps[~after] == pytest.approx(0.001, abs=1e-6)
    assert steps[after] == pytest.approx(0.002, abs=1e-6)
    assert abs(time.monotonic() - stamps[-1]) < 5
    child.order(fault="end")
    assert child.event("fault")["fault"] == "end"
    child.event("ended")
    assert child.process.wait(20) == 0


def test_it_ends_by_itself_when_told(patient: Start) -> None:
    child = patient({}, "--seconds", "0.3", "--chunk-ms", "1")
    assert 290 <= child.event("ended")["samples"] <= 300


def test_it_ends_with_who_started_it_when_told(patient: Start) -> None:
    child = patient({}, "--until-eof")
    child.process.stdin.close()
    child.event("ended")
    child.process.stdin = None


def test_a_wrong_spec_is_an_error_for_a_person(start: Start) -> None:
    process = start("patient", "--json", '{"rest_uv": -1}').process
    assert process.wait(20) == 1
    assert process.stderr.read() == "patient: rest_uv = -1: must be at least 0\n"


def test_an_attempt_begins_when_it_is_ordered(patient: Start) -> None:
    child = patient(NO_ATTEMPTS)
    before_s = time.monotonic()
    child.order(order="attempt")
    onset_s = child.event("attempt")["onset_lsl"]
    assert before_s - 0.01 < onset_s <= time.monotonic()


def test_an_attempt_comes_on_the_channel_that_is_ordered(patient: Start, listen: Start) -> None:
    child = patient({**NO_ATTEMPTS, "channels": 3})
    emg = listen(child.ready["source_id"]).count(50)
    child.order(order="attempt", channel=3)
    assert "must be 0 to 2" in child.event("refused")["reason"]
    child.order(order="attempt", channel=1)
    attempt = child.event("attempt")
    emg.past(attempt["offset_lsl"])
    stamps_s = np.array(emg.stamps)
    inside = (stamps_s > attempt["onset_lsl"]) & (stamps_s < attempt["offset_lsl"])
    rms_uv = np.sqrt(np.mean(emg.emg[inside] ** 2, axis=0))
    assert rms_uv[1] > 2 * rms_uv[0]
    assert rms_uv[1] > 2 * rms_uv[2]


def test_it_streams_with_the_labels_and_the_type_that_are_given(
    patient: Start, listen: Start
) -> None:
    labels = ["a", "tibialis anterior"]
    child = patient(
        {**NO_ATTEMPTS, "channels": 2}, "--labels", json.dumps(labels), "--type", "sEMG"
    )
    info = listen(child.ready["source_id"]).inlet.info(10)
    assert (info.type(), info.get_channel_labels()) == ("sEMG", labels)


def test_a_duplicated_chunk_comes_twice_with_the_same_stamps(patient: Start, listen: Start) -> None:
    child = patient(NO_ATTEMPTS)
    emg = listen(child.ready["source_id"]).count(50)
    child.order(fault="duplicate", samples=40)
    ack = child.event("fault")
    emg.past(ack["at_ns"] / 1e9 + 0.1)
    numbers, counts = np.unique(index_of(emg.stamps, child.ready), return_counts=True)
    assert numbers[counts == 2].tolist() == list(range(ack["sample"], ack["sample"] + 40))
    assert counts.max() == 2


def test_one_that_waits_appears_with_the_first_line(start: Start) -> None:
    child = start("patient", "--wait", "--seconds", "0.1")
    before_s = time.monotonic()
    child.order(order="appear")
    assert child.event("ready")["lsl_start"] > before_s
    assert child.event("ended")["samples"] > 0
