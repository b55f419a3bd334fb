"""The time course of one trial, drawn: what the core itself does when everything goes as it is meant to."""

from __future__ import annotations

from typing import Final, NamedTuple

from nmesd.core.machine import step
from nmesd.core.state import State
from nmesd.core.values import (
    Arm,
    CoreSettings,
    Cue,
    Give,
    Hop,
    Kind,
    Mode,
    ModeChanged,
    Muscle,
    OutputSettings,
    Programme,
)
from nmesd.units import NS_PER_MS, NS_PER_S

STEP_NS: Final = 10 * NS_PER_MS
TRIES_AFTER_NS: Final = 2 * NS_PER_S  # the cue
FULL_UA: Final = 100_000
MOST_NS: Final = 3600 * NS_PER_S
WIDTH, HEIGHT = 72, 6
BARS = " ▁▂▃▄▅▆▇█"


class Moment(NamedTuple):
    """What is so at one instant."""

    mode: Mode
    percent: int  # of the amplitude


class Course(NamedTuple):
    """One trial, from the rest before it to the end of its hold-off: an instant every STEP_NS, and the cues."""

    moments: list[Moment]
    cues: list[tuple[float, str]]  # seconds


def one_trial(programme: Programme) -> Course:
    """Run the core: the muscle relaxes at once, and somebody tries two seconds after the cue."""
    muscle = Muscle(0, 100, 50, 100, 100, (OutputSettings(0, FULL_UA, 200),))
    calm = programme._replace(warm_up_trials=0, schedule=(), trials=0)
    settings = CoreSettings(1_000_000, 10, (muscle,), calm)
    state, commands = step(State(), Arm(0, 1, 0), settings)
    heard = programme.kind not in (Kind.CYCLIC, Kind.STEPS)
    course = Course([], [(0.0, c.cue.name) for c in commands if isinstance(c, Cue)])
    t_ns, given = 0, False
    while t_ns < MOST_NS:
        t_ns += STEP_NS
        rested = state.mode is Mode.REST and t_ns - state.since_ns >= programme.rest_ns
        if programme.kind is Kind.STEPS and rested and not given:
            steep = settings._replace(programme=calm._replace(step_ua=FULL_UA))
            state, commands = step(state, Give(t_ns, 1, 0, FULL_UA), steep)
            given = state.mode is Mode.STIMULATING
        else:
            waited_ns = t_ns - state.since_ns
            tries = state.mode is Mode.READY and waited_ns >= TRIES_AFTER_NS
            tense = programme.kind is Kind.RELAXATION and not (
                state.mode is Mode.READY and waited_ns >= TRIES_AFTER_NS
            )
            hop = Hop(t_ns, (90 if tense else 0,), (tries,), 0) if heard else Hop(t_ns, (), (), 0)
            state, commands = step(state, hop, settings)
        course.cues.extend((t_ns / NS_PER_S, c.cue.name) for c in commands if isinstance(c, Cue))
        ua = state.train.given_ua[0] if state.train else 0
        course.moments.append(Moment(state.mode, 100 * ua // FULL_UA))
        if any(isinstance(c, ModeChanged) and c.after is Mode.REST for c in commands):
            break
    return course


def drawn(course: Course) -> list[str]:
    """Lines of text: the amplitude over time, below it the modes with their lengths, then the cues."""
    n = len(course.moments)
    at = [min(n - 1, column * n // WIDTH) for column in range(WIDTH)]
    # A short train must not fall between two columns: each shows the highest of its span.
    tops = [
        max(m.percent for m in course.moments[a : max(a + 1, b)])
        for a, b in zip(at, [*at[1:], n], strict=True)
    ]
    lines = []
    for row in range(HEIGHT - 1, -1, -1):
        eighths = [min(8, max(0, round(top / 100 * HEIGHT * 8) - 8 * row)) for top in tops]
        label = "100 % " if row == HEIGHT - 1 else "      "
        lines.append(label + "│" + "".join(BARS[e] for e in eighths).rstrip())
    spans = _spans(course)
    lines.append("  0 % └" + "─" * WIDTH)
    lines.append("       " + _ruler(spans, n))
    lines += [f"       {mode.name:12} {seconds:6.2f} s" for mode, _, seconds in spans]
    lines += [f"       cue {name:12} at {at_s:6.2f} s" for at_s, name in course.cues]
    return lines


def _spans(course: Course) -> list[tuple[Mode, int, float]]:
    """(mode, steps, seconds) one after the other."""
    spans: list[tuple[Mode, int, float]] = []
    for moment in course.moments[:-1]:  # the last is the next trial's
        steps = spans.pop()[1] + 1 if spans and spans[-1][0] is moment.mode else 1
        spans.append((moment.mode, steps, steps * STEP_NS / NS_PER_S))
    return spans


def _ruler(spans: list[tuple[Mode, int, float]], n: int) -> str:
    line = ""
    for mode, steps, _ in spans:
        width = max(1, round(steps * WIDTH / n))
        line += mode.name[: width - 1].ljust(width, "·") if width > 1 else "|"
    return line[:WIDTH]
