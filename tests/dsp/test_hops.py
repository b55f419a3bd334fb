"""HopCutter: the same hops whatever the chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.hops import HopCutter


@given(
    lengths=st.lists(st.integers(0, 23), max_size=12),
    hop_samples=st.integers(1, 10),
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["<f4", "<f8"]),
)
def test_hops_are_the_samples_in_order(
    lengths: list[int], hop_samples: int, channels: int, dtype: str
) -> None:
    total = sum(lengths)
    samples = np.arange(total * channels, dtype=dtype).reshape(total, channels) / 3
    cutter = HopCutter(hop_samples, channels)
    hops = []
    for chunk in np.split(samples, np.cumsum(lengths)):
        hops += [hop.copy() for hop in cutter.cut(chunk)]
    whole = total // hop_samples
    assert len(hops) == whole
    assert cutter.held == total % hop_samples
    for index, hop in enumerate(hops):
        assert hop.dtype == np.float64
        assert hop.flags.c_contiguous
        assert np.array_equal(hop, samples[index * hop_samples : (index + 1) * hop_samples])


def test_every_hop_is_the_same_memory() -> None:
    first, second = (id(hop) for hop in HopCutter(2, 1).cut(np.zeros((4, 1))))
    assert first == second


def test_clear_drops_what_is_kept() -> None:
    cutter = HopCutter(3, 1)
    assert list(cutter.cut(np.full((2, 1), 9.0))) == []
    assert cutter.held == 2
    cutter.clear()
    assert cutter.held == 0
    (hop,) = cutter.cut(np.ones((3, 1)))
    assert hop.tolist() == [[1.0], [1.0], [1.0]]


@pytest.mark.parametrize("shape", [(5, 1), (5, 3), (5,), (5, 2, 1)])
def test_a_chunk_of_other_channels_is_refused_whole(shape: tuple[int, ...]) -> None:
    cutter = HopCutter(4, 2)
    with pytest.raises(ValueError, match=r"chunk has shape .*, must be \(samples, 2\)"):
        list(cutter.cut(np.zeros(shape)))
    assert cutter.held == 0


@pytest.mark.parametrize(("hop_samples", "channels"), [(0, 1), (1, 0)])
def test_an_empty_hop_is_refused(hop_samples: int, channels: int) -> None:
    with pytest.raises(ValueError, match=f"{hop_samples} samples x {channels} channels"):
        HopCutter(hop_samples, channels)
