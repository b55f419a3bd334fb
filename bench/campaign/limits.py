"""Every limit of the guard passed by a code or a moment: by a spoiled lease, or by running into a low limit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from math import isqrt

from bench.campaign.bench import (
    AMPLITUDE_UA,
    HOLD_OFF_S,
    LEASE_MS,
    LONG_S,
    PERIOD_US,
    PULSE_WIDTH_US,
    SHORT_S,
    Bench,
    NoTrainError,
    Setup,
)
from bench.campaign.fault import AT_ONCE_MS, SURVIVOR_MS, Fault, names, nothing
from bench.campaign.frames import PROXY, order
from nmesd.units import NS_PER_MS, NS_PER_S

BOUND_MS = LEASE_MS + SURVIVOR_MS
PLATEAU = (
    0.15,
    0.45,
)  # seconds into a short train: full amplitude, and the rise of the ramp forgotten
MINUTE_S = 60
BODY_OHM = 500  # IEC 60601-2-10's load, from which the guard has its power

# ---- one code over, in a lease ------------------------------------------------------------------------

# Root mean square of one channel: sqrt(2 x amplitude² x width / period), both phases alike.
SHARE = PERIOD_US // (2 * PULSE_WIDTH_US)  # 20: amplitude² is that many times the mean square


def _amplitude_over(mean_square_ua2: int) -> int:
    """The least amplitude (µA) whose mean square at the train's width and rate is above this."""
    return isqrt(mean_square_ua2 * SHARE) + 1


def _code(
    name: str,
    about: str,
    channels: list[tuple[int, int, int, int]],
    limits: Mapping[str, float],
    *,
    area_cm2: float = 25,
) -> Fault:
    """A lease with this output: (channel from 0, amplitude, width, period) each."""
    return Fault(
        name=f"limit_{name}",
        about=about,
        inject=lambda bench: order(
            order="output", channels=[bench.device.over(*one) for one in channels]
        )(bench),
        setup=PROXY,
        limits=limits,
        area_cm2=area_cm2,
        from_s=PLATEAU[0],
        until_s=PLATEAU[1],
        budget_ms=AT_ONCE_MS,
        bound_ms=BOUND_MS,
        expect=names(f"LIMIT_{name.upper()}"),
    )


USUAL = (AMPLITUDE_UA, PULSE_WIDTH_US, PERIOD_US)
AREA_CM2, DENSITY_MA_CM2, POWER_MW_CM2, TOTAL_MA = 4, 1.3, 3, 5.5
CHARGE_UC, WIDE_US, RISE_MA_S = 8, 400, 260
_density_ua2 = round((DENSITY_MA_CM2 * 1000 * AREA_CM2) ** 2)
_power_ua2 = POWER_MW_CM2 * AREA_CM2 * 10**9 // BODY_OHM  # mW / Ohm = 10^9 µA²
_rest_ua2 = (
    round((TOTAL_MA * 1000) ** 2) - AMPLITUDE_UA**2 // SHARE
)  # what channel 1 leaves for channel 2

CODES = (
    _code("amplitude", "1 µA over", [(0, 30_001, PULSE_WIDTH_US, PERIOD_US)], {"amplitude_ma": 30}),
    _code("pulse_width", "1 µs over", [(0, AMPLITUDE_UA, 401, PERIOD_US)], {"pulse_width_us": 400}),
    _code(
        "rate", "a period 1 µs too short", [(0, AMPLITUDE_UA, PULSE_WIDTH_US, PERIOD_US - 1)], {}
    ),
    _code(
        "charge",
        "1 µA over at 400 µs",
        [(0, CHARGE_UC * 1_000_000 // WIDE_US + 1, WIDE_US, PERIOD_US)],
        {"charge_uc": CHARGE_UC},
    ),
    _code(
        "density",
        "r.m.s. current density, 1 µA over on 4 cm²",
        [(0, _amplitude_over(_density_ua2), PULSE_WIDTH_US, PERIOD_US)],
        {"density_ma_cm2": DENSITY_MA_CM2},
        area_cm2=AREA_CM2,
    ),
    _code(
        "power",
        "mean power density, 1 µA over on 4 cm²",
        [(0, _amplitude_over(_power_ua2), PULSE_WIDTH_US, PERIOD_US)],
        {"power_mw_cm2": POWER_MW_CM2},
        area_cm2=AREA_CM2,
    ),
    _code(
        "total_rms",
        "of two channels, 1 µA over",
        [(0, *USUAL), (1, _amplitude_over(_rest_ua2), PULSE_WIDTH_US, PERIOD_US)],
        {"total_rms_ma": TOTAL_MA, "channels_at_once": 2},
    ),
    _code("channel", "a channel that may not be used", [(2, *USUAL)], {}),
    _code(
        "channels_at_once",
        "a second channel, 1 µA",
        [(0, *USUAL), (1, 1, PULSE_WIDTH_US, PERIOD_US)],
        {"channels_at_once": 1},
    ),
    _code(
        "rise",
        "a step 1 µA over what 260 mA/s allow at once, a tenth of a second's worth",
        [(0, AMPLITUDE_UA + RISE_MA_S * 1000 // 10 + 1, PULSE_WIDTH_US, PERIOD_US)],
        {"rise_ma_s": RISE_MA_S, "amplitude_ma": 60, "charge_uc": 65, "total_rms_ma": 50},
    ),
)

# ---- time, dose and number, by normal running ---------------------------------------------------------


def _low(bench: Bench, key: str, value: float) -> None:
    """A guard that has counted nothing yet, with this limit. Kept in `bench` for the injection."""
    bench.use_limits({key: value}, anew=True)
    bench.low = value


def _from(key: str, scale: float, least: float, most: float) -> Callable[[Bench], None]:
    """A limit at random, of `least` to `most` times `scale`."""
    return lambda bench: _low(bench, key, bench.rng.uniform(least, most) * scale)


def _after_first_pulse(seconds: Callable[[float], float]) -> Callable[..., int]:
    """The limit is used up that long after the train's first pulse."""

    def inject(bench: Bench) -> int:
        at_ns = bench.train_ns + int(seconds(bench.low) * NS_PER_S)
        time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / NS_PER_S))
        return at_ns

    return inject


def _dose(bench: Bench) -> int:
    """The instant of the last pulse within the dose."""
    time.sleep(SHORT_S)
    dose_pc, limit_pc, at_ns = 0, bench.low * 10**9, bench.train_ns
    for pulse in bench.rig.given:
        if pulse.given_ns >= bench.train_ns and pulse.amplitude_ua:
            dose_pc += pulse.amplitude_ua * pulse.pulse_width_us
            if dose_pc <= limit_pc:
                at_ns = pulse.given_ns
    return at_ns


def _session(bench: Bench) -> int:
    """So long after the arming went to the guard."""
    assert bench.proxy is not None
    armed_ns = [event["at_ns"] for event in list(bench.proxy.events) if event["event"] == "arm"][-1]
    at_ns = int(armed_ns) + int(bench.low * MINUTE_S * NS_PER_S)
    time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / NS_PER_S))
    return at_ns


def _one_train_too_many(bench: Bench) -> int:
    """The second train in a minute: when its first lease went out."""
    assert bench.proxy is not None
    time.sleep(SHORT_S + HOLD_OFF_S)
    bench.make_ready()
    time.sleep(bench.rng.uniform(0, 0.1))
    seen = len(bench.proxy.events)
    with contextlib.suppress(NoTrainError):
        bench.train(0.2)
    return int(bench.event(bench.proxy, "on", seen)["at_ns"])


def _too_soon(bench: Bench) -> int:
    """Output again a while after the train's end."""
    assert bench.proxy is not None
    seen = len(bench.proxy.events)
    bench.proxy.order(order="early", after_ns=bench.rng.randrange(10, 200) * NS_PER_MS)
    return int(bench.event(bench.proxy, "fault", seen, SHORT_S + 1)["at_ns"])


def _running(
    name: str,
    about: str,
    prepare: Callable[[Bench], None],
    inject: Callable[[Bench], int],
    *,
    setup: Setup = PROXY,
) -> Fault:
    return Fault(
        name=f"limit_{name}",
        about=about,
        prepare=prepare,
        limits={} if prepare is nothing else None,
        inject=inject,
        setup=setup,
        until_s=0.0,
        in_train=False,
        budget_ms=AT_ONCE_MS,
        bound_ms=BOUND_MS,
        expect=names(f"LIMIT_{name.upper()}"),
    )


RUNNING = (
    _running(
        "train",
        "a train that is longer than the limit; counts from its first pulse + limit",
        _from("train_s", 1, 0.1, SHORT_S - 0.1),
        _after_first_pulse(lambda train_s: train_s),
    ),
    _running(
        "rest",
        "the proxy holds output again 10 to 200 ms after a train, the least rest is 250",
        nothing,
        _too_soon,
    ),
    _running(
        "duty",
        "1 to 5 % of a minute used up by one train",
        _from("duty_percent", 1, 1, 5),
        _after_first_pulse(lambda percent: percent / 100 * MINUTE_S),
        setup=Setup(train_s=LONG_S),
    ),
    _running(
        "trains",
        "a second train in a minute that may have one; counts from its first lease",
        lambda bench: _low(bench, "trains_per_min", 1),
        _one_train_too_many,
    ),
    _running(
        "dose",
        "used up in mid-train; counts from the last pulse within it",
        _from("dose_mc", 0.001, 50, 200),  # a pulse has 5 µC
        _dose,
    ),
    _running(
        "session",
        "over in mid-train; counts from the arming + its length",
        _from("session_min", 1 / MINUTE_S, 0.65, 0.95),  # a train begins 0.5 s after the arming
        _session,
    ),
)

FAULTS = (*CODES, *RUNNING)
