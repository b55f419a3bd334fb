"""What a chain should be, in hertz and milliseconds, as an operator says it. `dsp.design` makes one of it."""

from dataclasses import dataclass
from typing import Final, Literal

NYQUIST_SHARE: Final = 0.9
"""No edge lies above this share of half the sampling rate: filters there are all warping."""

_LIMITS: Final[dict[str, tuple[float, float, str]]] = {
    # 200 Hz: below it hardly any EMG is left. 20 kHz: beyond every EMG amplifier, and as far as
    # the arithmetic is tested.
    "rate_mhz": (200_000, 20_000_000, "mHz"),
    "band_low_hz": (5.0, 100.0, "Hz"),  # ISEK asks for 5 Hz or more; against ECG 30 to 60
    "band_high_hz": (50.0, 10_000.0, "Hz"),
    "band_order": (1, 8, "poles"),
    "notch_harmonics": (1, 20, "notches"),
    "notch_q": (5.0, 50.0, "(no unit)"),  # at 50 Hz: 10 Hz wide, to a time constant of 0.3 s
    "envelope_hz": (1.0, 50.0, "Hz"),  # 50 Hz is the usual one of Hodges & Bui 1996
    "envelope_order": (1, 4, "poles"),
    "rms_window_ms": (10.0, 1000.0, "ms"),
    "min_duration_ms": (0.0, 1000.0, "ms"),
    "settle_ms": (50.0, 5000.0, "ms"),
    "rail_uv": (0.0, 10_000_000.0, "uV"),  # 10 V: a converter without an amplifier
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """What a chain should be. The defaults were chosen on simulations and recordings (`bench/detection.py`).

    Raises:
        ValueError: a value lies outside its limits, with what to do about it.
    """

    rate_mhz: int
    """Sampling rate in millihertz, so that 2148.148 Hz is exact."""
    band_low_hz: float = 30.0
    """High-pass edge, -3 dB. 20 Hz for general use (De Luca 2010, doi 10.1016/j.jbiomech.2010.01.027).
    30 Hz takes more of an ECG (Drake & Callaghan 2006, doi 10.1016/j.jelekin.2005.07.003)."""
    band_high_hz: float = 450.0
    """Low-pass edge, -3 dB. At or above 0.9 Nyquist there is no low-pass: the band is then a
    high-pass, and the amplifier's own anti-alias filter bounds it."""
    band_order: int = 4
    """Poles at each edge: the order of the Butterworth high-pass and of the Butterworth low-pass,
    24 dB an octave on either side for 4 (as steep as scipy's `butter(4, [low, high])`)."""
    mains_hz: int = 0
    """0: no notch. 50 or 60: notches at it and its harmonics."""
    notch_harmonics: int = 3
    """Number of notches, the fundamental counted; those at or above 0.9 Nyquist are left out."""
    notch_q: float = 15.0
    """Centre frequency over -3 dB width. At 50 Hz, 10 is 5 Hz wide and rings with a time constant
    of 64 ms, 30 rings with 191 ms and does little once mains is 0.2 Hz off."""
    envelope: Literal["lowpass", "rms"] = "lowpass"
    envelope_hz: float = 8.0
    """-3 dB edge of the Butterworth envelope low-pass. Its delay is 0.225 / edge, 28 ms: lower is
    later, higher wavers more."""
    envelope_order: int = 2
    """Poles of the envelope low-pass."""
    rms_window_ms: float = 100.0
    """Length of the moving r.m.s. window, rounded up to hops."""
    detector: Literal["cusum", "envelope"] = "cusum"
    """What begins an attempt: evidence of more power than the threshold's, or the envelope."""
    min_duration_ms: float = 0.0
    """How long an onset must last to be an attempt, rounded up to hops. The CUSUM needs none: its
    evidence takes its time, as little as the strength allows. With the envelope 30 ms is just longer
    than the spike of a motor unit; it costs its full length and buys nothing in Gaussian noise."""
    settle_ms: float = 300.0
    """No detection this long after a restart, rounded up to hops: three time constants of a 50 Hz
    notch of Q 15 (95 ms), ten of the envelope."""
    rail_uv: float = 0.0
    """Full scale of the amplifier, microvolts to either side; 0: unknown, not watched."""

    def __post_init__(self) -> None:
        for name, (least, most, unit) in _LIMITS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(
                    f"{name} is {value}, must be {least} to {most} {unit}: choose a value between"
                )
        if self.mains_hz not in (0, 50, 60):
            raise ValueError(f"mains_hz is {self.mains_hz}, must be 50 or 60 Hz, or 0 for no notch")
        if self.envelope not in ("lowpass", "rms"):
            raise ValueError(f"envelope is {self.envelope!r}, must be 'lowpass' or 'rms'")
        if self.detector not in ("cusum", "envelope"):
            raise ValueError(f"detector is {self.detector!r}, must be 'cusum' or 'envelope'")
        if self.band_low_hz >= min(self.band_high_hz, self.edge_limit_hz):
            raise ValueError(
                f"band_low_hz is {self.band_low_hz}, must be below band_high_hz, "
                f"{self.band_high_hz} Hz, "
                f"and below 0.9 of half the sampling rate, {self.edge_limit_hz} Hz: lower it"
            )
        if self.envelope == "rms" and self.settle_ms < self.rms_window_ms:
            raise ValueError(
                f"settle_ms is {self.settle_ms}, must be at least rms_window_ms, "
                f"{self.rms_window_ms} ms, "
                "or detection would begin on a window half empty: raise it or shorten the window"
            )

    @property
    def rate_hz(self) -> float:
        """Sampling rate in hertz."""
        return self.rate_mhz / 1000

    @property
    def hop_samples(self) -> int:
        """Samples in a hop: what fits in 1 ms, at least one."""
        return max(1, self.rate_mhz // 1_000_000)

    @property
    def edge_limit_hz(self) -> float:
        """0.9 Nyquist: where edges and notches must stay below."""
        return NYQUIST_SHARE * self.rate_hz / 2
