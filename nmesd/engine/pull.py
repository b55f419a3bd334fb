"""liblsl's pull, into memory that is there: what waits is fetched with two calls into C, and nothing is made anew.

`pylsl.StreamInlet.pull_chunk` does the same with arrays, views and pointers that it makes for each call: 62 µs for
a chunk of 8 channels, where this takes 13 on the same machine at the same time.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
import pylsl


class Pull:
    """Of one inlet of float32.

    samples: (most, channels) float32, C order; `stamps_s`: (most,) float64. Both are written to by every call.
    """

    def __init__(
        self, inlet: pylsl.StreamInlet, samples: npt.NDArray[np.float32], stamps_s: npt.NDArray[np.float64]
    ) -> None:  # fmt: skip
        most, channels = samples.shape
        self._inlet, self._memory = inlet, (samples, stamps_s)  # the pointers below are theirs
        self._pull, self._handle, self._channels = inlet.do_pull_chunk, inlet.obj, channels
        self._timeout_s, self._error = ctypes.c_double(), ctypes.c_int()
        self._first = self._arguments(0, 1, self._timeout_s)
        self._rest = self._arguments(1, most - 1, ctypes.c_double(0.0))

    def _arguments(self, begin: int, most: int, timeout_s: ctypes.c_double) -> tuple[Any, ...]:
        """Of the C function: room for `most` samples behind the first `begin`."""
        samples, stamps_s = self._memory
        return (
            ctypes.c_void_p(samples.ctypes.data + begin * samples.strides[0]),
            ctypes.c_void_p(stamps_s.ctypes.data + begin * stamps_s.strides[0]),
            ctypes.c_size_t(most * self._channels),
            ctypes.c_size_t(most),
            timeout_s,
            ctypes.byref(self._error),
        )

    def __call__(self, timeout_s: float) -> int:
        """How many samples came: all that wait, or the first within `timeout_s`, 0 if none.

        Raises pylsl.util.LostError, RuntimeError as pylsl does.
        """
        self._timeout_s.value = timeout_s
        values: int = self._pull(self._handle, *self._first)
        if values and not self._error.value:
            values += self._pull(self._handle, *self._rest)
        if self._error.value:
            pylsl.util.handle_error(self._error)
        return int(values // self._channels)
