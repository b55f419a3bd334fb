"""The comparison with other software: what its tables say of made-up figures."""

from bench.peers import hops, latency
from bench.peers.latency import FLOORS, MNE, NMESD, Case
from bench.peers.picture import survivors
from bench.peers.scale import CHANNELS, CHUNKS, POINTS, RATES_HZ
from nmesd.wire import Histogram

RIGHTS = Case(rights=True, loaded=False)


def taken(*us: int) -> Histogram:
    histogram = Histogram()
    for one in us:
        histogram.add(1000 * one)
    return histogram


def test_every_target_is_held_or_missed_by_its_figure() -> None:
    found = {
        RIGHTS: {
            FLOORS[0]: taken(*[100] * 99, 400),
            NMESD: taken(*[140] * 99, 700),
            MNE[0]: taken(900),
        }
    }
    told = latency.verdicts(found)
    assert [line.split(":")[0] for line in told] == [
        "* held", "* held", "* held", "* held", "* held",
    ]  # fmt: skip
    found[RIGHTS][NMESD] = taken(*[200] * 90, *[2500] * 10)
    told = latency.verdicts(found)
    assert [line.split(":")[0] for line in told] == [
        "* **missed**", "* **missed**", "* **missed**", "* held", "* **missed**",
    ]  # fmt: skip
    assert "p50 2.0" in told[0]
    assert latency.verdicts({Case(rights=False, loaded=True): found[RIGHTS]}) == []


def test_the_table_has_a_line_for_each_that_was_measured() -> None:
    chunks = latency.Chunks()
    chunks.together, chunks.missing, chunks.every = 3, 4, taken(100, 200, 5000)
    text = latency.markdown(
        {RIGHTS: {NMESD: taken(100, 200)}}, {RIGHTS: {NMESD: chunks}}, ["ezmsg: not there"]
    )
    assert f"| {NMESD} | 2 | 10" in text
    assert "| 3 | 4 | 5000 |" in text
    assert FLOORS[0] not in text
    assert "* ezmsg: not there" in text


def test_chains_are_judged_by_their_means() -> None:
    costs = {
        "nmesd": {1: [10.0], 8: [10.0], 32: [20.0], 64: [31.0]},
        "scipy": {key: [100.0] for key in (1, 8, 32, 64)},
        "ezmsg": {key: [149.0] for key in (1, 8, 32, 64)},
    }
    own, beside, grows = hops.verdicts(costs)
    assert own == "* held: scipy 10.0 × ours at 8 channels (10 asked)"
    assert beside == "* **missed**: ezmsg 14.9 × ours at 8 channels (15 asked)"
    assert grows == "* **missed**: 64 channels cost 3.1 × 8 (3 asked)"


def test_the_picture_s_shares_fall_to_nothing() -> None:
    ms, share = survivors(taken(100, 200, 200, 400))
    assert share == [0.75, 0.25, 0.0]
    assert ms == sorted(ms)


def test_every_channel_count_rate_and_chunk_is_there() -> None:
    assert {point.channels for point in POINTS} == set(CHANNELS)
    assert {point.rate_hz for point in POINTS} == set(RATES_HZ)
    assert {point.chunk for point in POINTS} == set(CHUNKS)
    assert len(set(POINTS)) == len(POINTS)
