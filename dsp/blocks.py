"""A cascade of second-order sections, run a whole hop at a time as one small matrix product.

A linear filter with state x turns a hop of inputs u into outputs y and its next state x+ linearly,
so for hops of one length there is one matrix M with [x+; y] = M [x; u]. M is built once; a hop then
costs one product of about 20 x 20 (5 us, against 52 to 101 us for calls of `scipy.signal.sosfilt`,
which at this size are all overhead: measured, and scipy issue 9750 says the same).

A standing voltage. Electrodes carry tens of millivolts of DC under microvolts of EMG (77 mV in one
of our recordings). A filter in the steady state for it would hold the EMG as a small difference of
large numbers. Priming takes it off the input instead, and adds the filter's DC gain times it to the
output: the same filter, by linearity, with all its digits free for the signal.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class BlockFilter:
    """Second-order sections over hops of one length, on several channels at once.

    Bits: the shapes of the product never change, and the input is first copied into the filter's
    own memory, so the output depends on the values alone, not on chunking or memory layout. Another
    BLAS, CPU or number of channels may add up in another order and differ in the last bits.
    """

    __slots__ = (
        "_dc_gain",
        "_level",
        "_matrix",
        "_next",
        "_next_input",
        "_shift",
        "_stack",
        "_states",
        "input",
    )

    def __init__(
        self, sos: Sequence[Sequence[float]], hop_samples: int, channels: int, gain: float = 1.0
    ) -> None:
        """Build the matrix for `sos`: rows of b0, b1, b2, 1, a1, a2, run in this order, and then `gain`.

        The filter starts at rest, as if the input had been zero for ever.
        """
        self._states = 2 * len(sos)
        self._matrix = hop_matrix(sos, hop_samples)
        self._matrix[self._states :] *= gain
        self._dc_gain = gain * float(np.prod([sum(row[:3]) / sum(row[3:]) for row in sos]))
        # One stack [x; u] goes in, another [x+; y] comes out, and is the next to go in once u is where y was.
        self._stack = np.zeros((self._states + hop_samples, channels))
        self._next = np.zeros_like(self._stack)
        self.input, self._next_input = self._stack[self._states :], self._next[self._states :]
        # A row for each sample, all the same: arrays of one shape need no broadcasting, half a ufunc's cost.
        self._level, self._shift = np.zeros((2, hop_samples, channels))

    def prime(self, first: Array) -> None:
        """Start afresh, as if the input had been `first` (channels,) for ever."""
        self._stack[: self._states].fill(0.0)
        np.copyto(self._level, first)
        np.multiply(self._level, self._dc_gain, out=self._shift)

    def run(self, x: Array) -> Array:
        """Filter the hop `x` (hop_samples, channels); give the filter's own memory, same shape.

        It may be overwritten, and is valid until the next hop.
        """
        # What is written to is given by place here and below: by name it costs a call twice as much.
        np.subtract(x, self._level, self.input)
        y = self.advance()
        # Behind a high-pass there is no standing voltage to add.
        return np.add(y, self._shift, y) if self._dc_gain else y

    def advance(self) -> Array:
        """Filter the hop that stands in `input`, primed with zero; give the filter's own memory.

        That is `input` from now on: valid until the next hop is written there.
        """
        # The array's dot, not np.dot or np.matmul: half the cost of a call or less, and the same BLAS underneath.
        self._matrix.dot(self._stack, self._next)
        self._stack, self._next = self._next, self._stack
        self.input, self._next_input = self._next_input, self.input
        return self.input


def hop_matrix(sos: Sequence[Sequence[float]], hop_samples: int) -> Array:
    """The M of [x+; y] = M [x; u] for one hop; the state x is every section's (s1, s2) in turn.

    Each section is a transposed direct form II, the form `scipy.signal.sosfilt` runs:

        y = b0 v + s1        s1+ = b1 v - a1 y + s2        s2+ = b2 v - a2 y

    fed with the output of the one before. That recursion is run here as it stands, but on rows of
    weights instead of numbers: each row says how much of every entry of [x; u] a quantity holds.
    Sections are joined, never multiplied out into one polynomial: at 10 kHz the poles of a 20 Hz
    edge lie within 1 % of z = 1, where polynomial coefficients lose the digits that matter.
    """
    states = 2 * len(sos)
    weights = np.eye(states + hop_samples)
    state, inputs = weights[:states].copy(), weights[states:]
    outputs = np.empty_like(inputs)
    for sample, row in enumerate(inputs):
        v = row
        for section, (b0, b1, b2, _, a1, a2) in enumerate(sos):
            s1, s2 = state[2 * section], state[2 * section + 1]
            y = b0 * v + s1
            s1[:] = b1 * v - a1 * y + s2
            s2[:] = b2 * v - a2 * y
            v = y
        outputs[sample] = v
    return np.vstack([state, outputs])
