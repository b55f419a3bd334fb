"""liblsl's own pull gives what pylsl's does: the same samples and stamps, from memory that is used again."""

import time

import numpy as np
import pylsl
import pytest

from nmesd.engine.pull import Pull

CHANNELS, MOST = 3, 400
NAME = "pull-test"


def new_outlet(name: str = NAME) -> pylsl.StreamOutlet:
    return pylsl.StreamOutlet(pylsl.StreamInfo(name, "EMG", CHANNELS, 1000, "float32", name))


def opened(name: str = NAME) -> pylsl.StreamInlet:
    (info,) = pylsl.resolve_byprop("name", name, timeout=10)
    inlet = pylsl.StreamInlet(info, max_buflen=1, recover=False, processing_flags=0)
    inlet.open_stream(5)
    return inlet


def pull_of(inlet: pylsl.StreamInlet) -> Pull:
    return Pull(inlet, np.zeros((MOST, CHANNELS), np.float32), np.zeros(MOST))


@pytest.fixture
def outlet() -> pylsl.StreamOutlet:
    return new_outlet()


@pytest.fixture
def inlet(outlet: pylsl.StreamOutlet) -> pylsl.StreamInlet:
    return opened()


@pytest.fixture
def pull(inlet: pylsl.StreamInlet) -> Pull:
    return pull_of(inlet)


def chunk(first: int, samples: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    values = np.arange(CHANNELS * first, CHANNELS * (first + samples), dtype=np.float32)
    return values.reshape(samples, CHANNELS)


def arrived(inlet: pylsl.StreamInlet, samples: int) -> None:
    until_s = time.monotonic() + 5
    while inlet.samples_available() < samples:
        assert time.monotonic() < until_s
        time.sleep(0.001)


def test_everything_that_waits_comes_at_once_with_its_stamps(
    outlet: pylsl.StreamOutlet, inlet: pylsl.StreamInlet, pull: Pull
) -> None:
    samples, stamps_s = pull._memory
    sent = 0
    for length in (1, 2, 7, 300):
        outlet.push_chunk(chunk(sent, length), timestamp=100.0 + length)
        arrived(inlet, length)
        assert pull(0.0) == length
        assert np.array_equal(samples[:length], chunk(sent, length))
        expected_s = 100.0 + length + (np.arange(length) - (length - 1)) / 1000
        assert np.allclose(stamps_s[:length], expected_s, rtol=0, atol=1e-9)
        sent += length


def test_what_does_not_fit_waits(
    outlet: pylsl.StreamOutlet, inlet: pylsl.StreamInlet, pull: Pull
) -> None:
    outlet.push_chunk(chunk(0, MOST + 10))
    arrived(inlet, MOST + 10)
    assert (pull(0.0), pull(0.0), pull(0.0)) == (MOST, 10, 0)
    assert np.array_equal(pull._memory[0][:10], chunk(MOST, 10))


def test_it_waits_for_the_first_and_no_longer(outlet: pylsl.StreamOutlet, pull: Pull) -> None:
    began_s = time.monotonic()
    assert pull(0.05) == 0
    assert time.monotonic() - began_s >= 0.05
    outlet.push_sample([1.0, 2.0, 3.0])
    assert pull(5.0) == 1
    assert pull._memory[0][0].tolist() == [1.0, 2.0, 3.0]


def test_a_stream_that_ends_is_lost() -> None:
    outlet = new_outlet("pull-test-ends")
    pull = pull_of(opened("pull-test-ends"))
    outlet.push_sample([1.0, 2.0, 3.0])
    assert pull(5.0) == 1
    del outlet
    with pytest.raises(pylsl.util.LostError):
        pull(5.0)
