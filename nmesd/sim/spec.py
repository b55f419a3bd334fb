"""Who the virtual patient is: every number of the model, with its unit and where it comes from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import Any

from nmesd.errors import ConfigError

_RATE_MIN_HZ = 100.0  # EMG begins at 20 Hz and mains is at 50: below this there is nothing to see
_SIGNED = ("offset_uv", "attempt_db", "attempt_drift_db_min")


@dataclass(frozen=True, slots=True)
class PatientSpec:
    """A patient, the electrodes and the amplifier. Equal specs make equal signals, bit for bit.

    Channel 0 lies over the target muscle, unless another is ordered to; the others show rest, mains and artefact.
    HEROES is github.com/grimjoke/heroes_ems. Raises ConfigError on impossible values.
    """

    seed: int = 1
    rate_hz: float = 1000.0
    channels: int = 1

    # -- rest -------------------------------------------------------------------------------------
    # r.m.s. of amplifier noise and postural tone together, half the power each. A commercial EMG
    # trigger resolves 1.25 µV (NeuroMove NM900 manual, p. 23), so quiet rest must lie in this
    # order.
    rest_uv: float = 3.0
    # chosen: 0.1 to 3 times the rest is worth trying. Frequency: drawn within 0.2 Hz of mains_hz
    mains_uv: float = 2.0
    mains_hz: float = 50.0
    # 77 000 is what the spinal-cord-injury recording shows (Verma 2026, doi 10.1152/jn.00422.2024)
    offset_uv: float = 0.0
    # spontaneous single motor units at rest: 7 to 10 a second in the same recording
    spikes_hz: float = 0.0
    spike_uv: float = 20.0

    # -- attempts ---------------------------------------------------------------------------------
    # Medians of the 56 dorsiflexions of Rashid 2019 (doi 10.1016/j.jelekin.2019.06.010): 1.5 s
    # long, one every 8.7 s
    first_attempt_s: float = 5.0
    interval_s: float = 8.0  # onset to onset
    interval_jitter_s: float = 1.5  # uniform, plus or minus
    duration_s: float = 1.5
    duration_jitter_s: float = 0.25  # uniform, plus or minus
    # power over rest: below 8 dB is hard for any detector (Bonato 1998, doi 10.1109/10.661154), the
    # dorsiflexions above have 20 to 30. Paralysed muscle mostly gives over 5 µV (Biomove FAQ).
    attempt_db: float = 15.0
    attempt_spread_db: float = 2.0  # standard deviation
    attempt_drift_db_min: float = 0.0  # how attempts grow over a session, or tire: dB a minute
    # linear rise; chosen: from ballistic to slow enough to cost any detector about 100 ms
    rise_min_s: float = 0.05
    rise_max_s: float = 0.2
    # a patient waits until the stimulator has let go of the muscle: an attempt that falls due
    # sooner than this after a pulse waits; 0 lets the patient attempt at any time
    defer_after_pulse_s: float = 0.8

    # -- what a pulse leaves in the EMG ------------------------------------------------------------
    # Chosen so that the tail needs the blanking HEROES found for it: 3 ms + 7.4 time constants.
    # At 20 mA the tail starts at 5 mV, and exp(-7.4) of that is 3 µV: the rest.
    artefact_uv_per_ma: float = 1000.0
    recovery_share: float = 0.25
    recovery_tau_ms: float = 2.0
    # ADS1299 at gain 24 and 4.5 V reference: full scale 187.5 mV
    rail_uv: float = 187_500.0
    # Peak, half of 12.6 mV peak to peak: healthy biceps (Calder 2005, doi 10.1186/1743-0003-2-33).
    # A paretic muscle gives less; more is the harder case for a loop that must not trigger on it.
    m_wave_uv: float = 6300.0
    # over by about 14 ms after the pulse (HEROES); a little longer is the harder case
    m_wave_latency_ms: float = 5.0
    m_wave_duration_ms: float = 12.0
    # recruitment grows between 14 and 70 mA in gastrocnemius (PMC3791398, fig. 1).
    # The S and its two numbers are chosen, towards small currents: the harder case again.
    m_wave_half_ma: float = 15.0
    m_wave_slope_ma: float = 3.0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name), whole=field.type == "int")
        jitters = self.duration_jitter_s + self.interval_jitter_s
        for name, right, wanted in (
            ("channels", self.channels >= 1, "at least 1"),
            ("rate_hz", self.rate_hz >= _RATE_MIN_HZ, f"at least {_RATE_MIN_HZ:g} Hz"),
            ("rest_uv", self.rest_uv > 0, "above 0"),
            ("rail_uv", self.rail_uv > 0, "above 0"),
            ("recovery_tau_ms", self.recovery_tau_ms > 0, "above 0"),
            ("m_wave_slope_ma", self.m_wave_slope_ma > 0, "above 0"),
            ("rise_min_s", 0 < self.rise_min_s <= self.rise_max_s, "above 0, up to rise_max_s"),
            (
                "duration_s",
                self.duration_s > self.duration_jitter_s + self.rise_max_s,
                "more than duration_jitter_s + rise_max_s",
            ),
            (
                "interval_s",
                self.interval_s > self.duration_s + jitters,
                "more than duration_s and both jitters",
            ),
        ):
            if not right:
                raise _wrong(name, getattr(self, name), wanted)


def spec_from_json(text: str) -> PatientSpec:
    """The patient described by a JSON object of PatientSpec's fields; the rest has its defaults.

    Raises ConfigError, naming the field.
    """
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"patient: not JSON ({error}): give an object such as {{}}") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"patient: {type(values).__name__} given: give a JSON object such as {{}}"
        )
    known = [field.name for field in fields(PatientSpec)]
    for name in values:
        if name not in known:
            raise ConfigError(f"patient: no field {name!r}: there are {', '.join(known)}")
    return PatientSpec(**values)


def _check_number(name: str, value: object, *, whole: bool) -> None:
    """Raise ConfigError unless `value` is finite, and whole and not negative where it must be."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise _wrong(name, value, "a whole number" if whole else "a number")
    if not math.isfinite(value):
        raise _wrong(name, value, "finite")
    if value < 0 and name not in _SIGNED:
        raise _wrong(name, value, "at least 0")


def _wrong(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"patient: {name} = {value}: must be {wanted}")
