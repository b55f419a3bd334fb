"""The live pipeline over a recording: when would each attempt have been decided on, and what was in the way?

Every channel on its own, with its own threshold from its own rest. As live, a decision comes with the last sample
of its hop; then detection is closed for a second, and until the muscle has been relaxed. Unlike live no current
flows, so nothing is blanked and the filters are not started afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from dsp.calibration import Calibration, Unit, calibrate
from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from dsp.measured import Measured, measure
from dsp.rest import find_rest
from dsp.tail import SHORT_BLOCK_S
from nmesd.core.flags import DISTURBED, NO_MEASUREMENT, SETTLING
from nmesd.errors import Reason, RecordError
from nmesd.sessions.recording import Recording
from nmesd.units import NV_PER_UV

Show = Callable[[float], None]

REFRACTORY_S: Final = 1.0
RELAX_S: Final = 0.3
LOOK_BACK_S: Final = 0.5  # an onset is looked for so long before its decision
REASONS: Final = {SETTLING: Reason.EMG_SETTLING, **NO_MEASUREMENT, **DISTURBED}


@dataclass(frozen=True, slots=True)
class Onset:
    """One attempt. Seconds from the first sample, microvolts of the envelope."""

    decided_s: float
    onset_s: float
    peak_uv: float


@dataclass(frozen=True, slots=True)
class Inhibit:
    """A time in which nothing could be decided."""

    from_s: float
    to_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """All of one channel."""

    label: str
    threshold_uv: float
    off_uv: float
    predicted_false_per_min: float
    predicted_range_per_min: tuple[float, float]
    rest_s: tuple[tuple[float, float], ...]
    onsets: tuple[Onset, ...]
    inhibits: tuple[Inhibit, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def detect(
    recording: Recording,
    coefficients: ChainCoefficients,
    *,
    unit: Unit,
    value: float,
    rest_s: tuple[float, float] | None = None,
    show: Show = lambda _: None,
) -> tuple[Found, ...]:
    """Run every channel; `rest_s` says where all of them rest, None lets each be looked for.

    `show` hears now and then what share of all is done.

    Raises:
        RecordError: no or too little rest.
    """
    channels, passes = recording.emg_uv.shape[1], 2
    whole = channels * passes * len(recording.emg_uv)
    found = []
    for channel in range(channels):
        done = channel * passes * len(recording.emg_uv)

        def tell(samples: int, done: int = done) -> None:
            show((done + samples) / whole)

        found.append(_channel(recording, coefficients, channel, unit, value, rest_s, tell))
    show(1.0)
    return tuple(found)


def rest_of(measured: Measured, rest_s: tuple[float, float] | None) -> tuple[tuple[int, int], ...]:
    """Spans of hops: what was said, or what is found."""
    if rest_s is None:
        return find_rest(measured.energy_uv2, measured.hop_s)
    first, last = (round(s / measured.hop_s) for s in rest_s)
    return ((max(0, first), min(last, len(measured.energy_uv2))),)


def calibration_of(
    name: str, measured: Measured, coefficients: ChainCoefficients, rest: Sequence[tuple[int, int]]
) -> Calibration:
    """From the rest of a channel. Raises RecordError."""
    try:
        return calibrate(measured, rest, (), coefficients, SHORT_BLOCK_S)
    except ValueError as error:
        raise RecordError(f"{name}: {error}") from None


def _channel(
    recording: Recording,
    coefficients: ChainCoefficients,
    channel: int,
    unit: Unit,
    value: float,
    rest_s: tuple[float, float] | None,
    tell: Callable[[int], None],
) -> Found:
    emg_uv = np.asarray(recording.emg_uv[:, channel], dtype=np.float64)
    measured = measure(emg_uv, coefficients, tell)
    tell(len(emg_uv))
    rest = rest_of(measured, rest_s)
    label = recording.labels[channel]
    calibration = calibration_of(f"{recording.name}, {label}", measured, coefficients, rest)
    on_uv = calibration.on_uv(unit, value)
    off_uv = calibration.off_uv(on_uv)
    low, high = calibration.tail.interval_per_min(on_uv)
    onsets, flags = _decide(emg_uv, measured, calibration.fit(coefficients), on_uv, off_uv)
    return Found(
        label=label,
        threshold_uv=round(on_uv, 4),
        off_uv=round(off_uv, 4),
        predicted_false_per_min=float(f"{calibration.tail.false_per_min(on_uv):.3g}"),
        predicted_range_per_min=(float(f"{low:.3g}"), float(f"{high:.3g}")),
        rest_s=tuple((round(a * measured.hop_s, 3), round(b * measured.hop_s, 3)) for a, b in rest),
        onsets=onsets,
        inhibits=_inhibits(flags, measured.hop_s),
    )


def _decide(
    emg_uv: np.ndarray[Any, np.dtype[np.float64]],
    measured: Measured,
    coefficients: ChainCoefficients,
    on_uv: float,
    off_uv: float,
) -> tuple[tuple[Onset, ...], list[int]]:
    chain = Chain(coefficients, 1)
    on_nv, off_nv = (round(on_uv * NV_PER_UV),), (round(off_uv * NV_PER_UV),)
    relax, refractory = (round(s / measured.hop_s) for s in (RELAX_S, REFRACTORY_S))
    decided, flags, relaxed = [], [], 0
    waiting, open_from = True, 0  # as live: first the muscle must be relaxed
    for n, hop in enumerate(HopCutter(coefficients.hop_samples, 1).cut(emg_uv.reshape(-1, 1))):
        value = chain.run(hop, on_nv, off_nv)
        flags.append(value.flags)
        relaxed = relaxed + 1 if not value.flags and value.envelope_nv[0] < off_nv[0] else 0
        if waiting:
            waiting = relaxed < relax or n < open_from
        elif value.attempt[0]:
            decided.append(n)
            waiting, open_from = True, n + refractory
    ends = [*decided[1:], len(measured.envelope_nv)]
    onsets = tuple(
        Onset(
            decided_s=round((n + 1) * measured.hop_s, 6),
            onset_s=round(_onset(measured, n, on_uv) * measured.hop_s, 6),
            peak_uv=round(_peak_nv(measured, n, end, off_nv[0]) / NV_PER_UV, 4),
        )
        for n, end in zip(decided, ends, strict=False)  # one end too many if there is none
    )
    return onsets, flags


def _onset(measured: Measured, decided: int, on_uv: float) -> int:
    """Where the evidence began to gather: Page's estimate, the last minimum of the sum of x - 1."""
    first = max(0, decided + 1 - round(LOOK_BACK_S / measured.hop_s))
    mean_square = measured.energy_uv2[first : decided + 1] / measured.hop_samples
    total = np.cumsum(np.nan_to_num(mean_square) / on_uv**2 - 1.0)
    return first + 1 + int(np.argmin(total)) if total.min() < 0 else first


def _peak_nv(measured: Measured, decided: int, end: int, off_nv: int) -> float:
    """The strongest envelope until it is below the off threshold again, or the next attempt."""
    envelope = measured.envelope_nv[decided:end]
    rose = int(np.argmax(envelope >= off_nv))
    fell = np.flatnonzero(envelope[rose:] < off_nv)
    return float(envelope[: rose + int(fell[0]) if len(fell) else len(envelope)].max(initial=0))


def _inhibits(flags: Sequence[int], hop_s: float) -> tuple[Inhibit, ...]:
    spans = []
    for flag, reason in REASONS.items():
        told = np.concatenate([[0], (np.array(flags) & flag) != 0, [0]]).astype(np.int8)
        edges = np.flatnonzero(np.diff(told)).reshape(-1, 2)
        spans += [
            Inhibit(round(a * hop_s, 6), round(b * hop_s, 6), reason.name)
            for a, b in edges.tolist()
        ]
    return tuple(sorted(spans, key=lambda span: span.from_s))
