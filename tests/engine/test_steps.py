"""What the steps of a turn came to, as the daemon is told it: every hop once, with its time and its thresholds."""

from collections.abc import Sequence

import numpy as np
import pytest

from nmesd.core.values import Hop, Mode
from nmesd.engine.steps import NO_EMG, Steps, Thresholds
from nmesd.wire import Hops, Note, Opened, Raw, Stop, encode
from tests.engine.played import CHUNK, Bench


def decoded(frame: Hops) -> tuple[list[int], list[int], list[int], list[list[int]]]:
    """(on, off, stamps, rows)."""
    values, n, columns = np.frombuffer(frame.payload, "<i8").tolist(), frame.hops, frame.columns
    rest = values[2 * columns + n :]
    rows = [rest[k : k + 2 + columns] for k in range(0, len(rest), 2 + columns)]
    assert len(rows) == n
    return values[:columns], values[columns : 2 * columns], values[2 * columns :][:n], rows


def told(steps: Steps, envelopes: Sequence[tuple[int, ...]], thresholds: Thresholds) -> None:
    for nv in envelopes:
        steps.add(Mode.READY, Hop(0, nv, (False,) * len(nv), 5), thresholds)


def test_a_turn_is_one_frame() -> None:
    steps = Steps()
    steps.begin(7, [100, 101])
    told(steps, [(1, 2), (2**53, 4)], ((10, 20), (5, 6)))
    (frame,) = steps.frames()
    assert (frame.first_hop, frame.hops, frame.columns) == (8, 2, 2)
    rows = [[Mode.READY, 5, 1, 2], [Mode.READY, 5, 2**53, 4]]
    assert decoded(frame) == ([10, 20], [5, 6], [100, 101], rows)


def test_a_threshold_that_moves_begins_another_frame() -> None:
    steps = Steps()
    steps.begin(0, [1, 2, 3])
    told(steps, [(7,)], ((10,), (5,)))
    told(steps, [(8,), (9,)], ((11,), (5,)))
    frames = list(steps.frames())
    assert [(f.first_hop, f.hops, decoded(f)[0]) for f in frames] == [(1, 1, [10]), (2, 2, [11])]
    assert decoded(frames[1])[2:] == ([2, 3], [[6, 5, 8], [6, 5, 9]])


@pytest.mark.parametrize("columns", [1, 64])
def test_many_hops_are_cut_into_frames_that_fit(columns: int) -> None:
    steps = Steps()
    steps.begin(0, range(2000))
    told(steps, [(n,) * columns for n in range(2000)], ((9,) * columns, (8,) * columns))
    frames = list(steps.frames())
    assert all(encode(frame, 1, 1) for frame in frames)
    stamps = [stamp for frame in frames for stamp in decoded(frame)[2]]
    assert stamps == list(range(2000))
    assert [frame.first_hop for frame in frames[1:]] == [a.first_hop + a.hops for a in frames[:-1]]


def test_without_emg_there_are_mode_and_time() -> None:
    steps = Steps()
    steps.begin(0, [50])
    told(steps, [()], NO_EMG)
    (frame,) = steps.frames()
    assert (frame.columns, decoded(frame)) == (0, ([], [], [50], [[Mode.READY, 5]]))


def test_an_entry_has_the_time_of_its_hop() -> None:
    steps = Steps()
    assert steps.stamp_ns(0) == 0  # nothing was heard yet
    steps.begin(7, [100, 101])
    assert (steps.stamp_ns(8), steps.stamp_ns(9)) == (100, 101)
    told(steps, [(1,), (2,)], ((1,), (1,)))
    assert steps.stamp_ns(9) == 101  # an act after the turn
    steps.begin(9, [])
    assert steps.stamp_ns(9) == 101


def test_the_engine_tells_every_hop_with_the_time_of_its_last_sample(bench: Bench) -> None:
    bench.train()
    bench.turns(0.2)
    hops = [frame for frame in bench.to_daemon if isinstance(frame, Hops)]
    raws = [frame for frame in bench.to_daemon if isinstance(frame, Raw)]
    stamps = [stamp for frame in hops for stamp in decoded(frame)[2]]
    sent = np.concatenate([np.frombuffer(raw.payload, "<i8", raw.samples) for raw in raws])
    assert stamps == sent.tolist()  # a hop of this bench is one sample
    assert [frame.first_hop for frame in hops[1:]] == [a.first_hop + a.hops for a in hops[:-1]]
    modes = {row[0] for frame in hops for row in decoded(frame)[3]}
    assert {Mode.DISARMED, Mode.READY, Mode.STIMULATING} <= modes
    by_hop = dict(enumerate(stamps, hops[0].first_hop))
    notes = [frame for frame in bench.to_daemon if isinstance(frame, Note) and frame.hop]
    assert len(notes) > CHUNK
    assert all(note.stamp_ns == by_hop[note.hop] for note in notes)


def test_the_stream_s_own_words_come_before_its_first_sample(bench: Bench) -> None:
    bench.until(bench.ready)
    kinds = [type(frame) for frame in bench.to_daemon if isinstance(frame, Opened | Raw)]
    assert kinds[0] is Opened
    assert kinds.count(Opened) == 1


def test_a_stream_that_says_too_much_is_told_without_its_description(bench: Bench) -> None:
    bench.network.xml = f"<info><name>amplifier</name><desc>{'x' * 70_000}</desc></info>"
    bench.until(bench.ready)
    (opened,) = [frame for frame in bench.to_daemon if isinstance(frame, Opened)]
    assert opened.payload == b"<info><name>amplifier</name></info>"


def test_a_trip_in_silence_is_told_in_its_own_turn(bench: Bench) -> None:
    bench.train()
    bench.network.streams.clear()  # no sample comes any more
    bench.to_daemon.clear()
    bench.until(lambda: any(isinstance(frame, Stop) for frame in bench.to_guard))
    notes = [frame for frame in bench.to_daemon if isinstance(frame, Note)]
    assert Mode.TRIPPED in [note.args[2] for note in notes if note.valid > 2]
