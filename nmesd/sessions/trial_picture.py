"""Pictures of a report, as SVG that stands in a page: every trial in small multiples, the course of a session."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from nmesd.core.values import Outcome
from nmesd.errors import ConfigError
from nmesd.sessions.story import Story, TrialStory
from nmesd.units import NS_PER_S, NV_PER_UV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS: Final = 6
BEFORE_S, AFTER_S = 1.5, 1.0
MOST_S: Final = 12.0  # of a panel: a plateau of minutes is cut
SETTLES_S: Final = 0.3  # `dsp.design`
POINTS: Final = 160  # of a panel: what a small picture can show
EMG, ENVELOPE, THRESHOLD, TRAIN = "#b8c4d2", "#1f4e79", "#222222", "#e8a33d"
COLOURS: Final = {
    Outcome.SUCCESS: "#2e8b57", Outcome.CORRECT_REJECTION: "#2e8b57", Outcome.GIVEN: "#4c78a8",
    Outcome.ASSISTED: "#e8a33d", Outcome.MISS: "#c0504d", Outcome.FALSE_ALARM: "#8e44ad",
    Outcome.ABORTED: "#888888",
}  # fmt: skip
WORDS: Final = {
    Outcome.SUCCESS: "success", Outcome.MISS: "miss", Outcome.ASSISTED: "assisted", Outcome.GIVEN: "given",
    Outcome.FALSE_ALARM: "false alarm", Outcome.CORRECT_REJECTION: "rightly not tried", Outcome.ABORTED: "aborted",
}  # fmt: skip


def figure_of(width: float, height: float) -> Figure:
    """An empty one. Raises ConfigError without matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, and an extra
    except ImportError:
        raise ConfigError("a report needs matplotlib: pip install 'nmesd[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def svg(figure: Figure) -> str:
    """To stand in a page: without what only a file of its own needs."""
    from matplotlib import rc_context  # noqa: PLC0415 - as above

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nmesd"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def trials_picture(story: Story) -> str:
    """Each trial: EMG, envelope, thresholds, and the train below. Empty text if there is no trial."""
    if not story.trials:
        return ""
    rows = -(-len(story.trials) // COLUMNS)
    figure = figure_of(11.5, 0.5 + 1.55 * rows)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    tops = [_top_uv(story, column) for column in range(len(story.labels))]
    most_ma = max((ma for trial in story.trials for _, ma in trial.train), default=0.0)
    for number, (panel, trial) in enumerate(zip(panels, story.trials, strict=False)):
        _panel(panel, story, trial, tops, most_ma)
        if number % COLUMNS:  # all have one scale
            panel.set_yticklabels([])
    for panel in panels[len(story.trials) :]:
        panel.set_axis_off()
    return svg(figure)


def course_picture(story: Story) -> str:
    """Over the session: latency and outcome of each trial, effort and threshold. Empty text without a trial."""
    if not story.trials:
        return ""
    figure = figure_of(11.5, 3.4)
    latency, effort = figure.subplots(2, 1, sharex=True)
    for outcome, colour in COLOURS.items():
        of = [trial for trial in story.trials if trial.done.outcome is outcome]
        if of:
            at = [trial.end_s / 60 for trial in of]
            late = [np.nan if trial.latency_s is None else trial.latency_s for trial in of]
            style: dict[str, Any] = {"color": colour, "linestyle": "none", "marker": "o"}
            latency.plot(at, late, label=f"{len(of)} {WORDS[outcome]}", **style)
            seen = [np.nan if trial.effort_uv is None else trial.effort_uv for trial in of]
            effort.plot(at, seen, **style)
    latency.set(ylabel="latency, s")
    for number, muscle in enumerate(story.core.muscles):
        moved = [(at_s, uv) for at_s, of_muscle, uv in story.thresholds if of_muscle == number]
        if moved:
            end_s = story.trials[-1].end_s
            at_s, uv = zip(*moved, (end_s, moved[-1][1]), strict=True)
            name = story.labels[muscle.emg]
            effort.step(
                np.array(at_s) / 60, uv, where="post", color=THRESHOLD, linewidth=1,
                linestyle=("--", ":", "-.", "-")[number % 4], label=f"threshold, {name}",
            )  # fmt: skip
    effort.set(xlabel="minutes", ylabel="effort, µV")
    for axes in (latency, effort):
        from_zero(axes)
    figure.legend(loc="outside upper right", ncols=len(COLOURS), fontsize="small")
    return svg(figure)


def from_zero(axes: Axes) -> None:
    """All that is shown, with room above."""
    top = axes.dataLim.ymax
    axes.set_ylim(0, 1.15 * top if np.isfinite(top) and top > 0 else 1)


def _top_uv(story: Story, column: int) -> float:
    """One scale for all panels of a muscle, so that they can be compared: artefacts are cut off."""
    efforts = [trial.effort_uv or 0.0 for trial in story.trials if story.column(trial) == column]
    levels = [uv for _, number, uv in story.thresholds if story.core.muscles[number].emg == column]
    return 2.5 * max([*efforts, *levels, 1.0])


def _panel(axes: Axes, story: Story, trial: TrialStory, tops: list[float], most_ma: float) -> None:
    from_s = max(0.0, trial.cue_s - BEFORE_S)
    to_s = min(trial.end_s + AFTER_S, trial.cue_s + MOST_S)
    if trial.train:  # the train is shown from its first pulse on, however long the wait for it was
        from_s = max(from_s, trial.train[0][0] - MOST_S / 2)
        to_s = max(to_s, min(trial.end_s + AFTER_S, trial.train[0][0] + MOST_S / 2))
    if story.labels:
        column = story.column(trial)
        first, last = (round(s / story.hop_s) for s in (from_s, to_s))
        envelope_uv, rms_uv = (of[first:last, column] for of in (story.envelope_uv, story.rms_uv))
        if rms_uv.size:
            begin_s = from_s - trial.cue_s
            ends = begin_s, begin_s + len(rms_uv) * story.hop_s
            t_s, high = _strongest(rms_uv, *ends)
            axes.fill_between(t_s, -high, high, color=EMG, linewidth=0)
            t_s, high = _strongest(envelope_uv, *ends)
            high = np.where(_blind(trial, story, t_s + trial.cue_s), np.nan, high)
            axes.plot(t_s, high, color=ENVELOPE, linewidth=1)
        on_uv = trial.done.on_nv / NV_PER_UV
        axes.axhline(on_uv, color=THRESHOLD, linestyle="--", linewidth=0.8)
        axes.axvline(0, color=THRESHOLD, linewidth=0.6)
        axes.set_ylim(-tops[column], tops[column])
    if trial.train and most_ma:
        given = axes.twinx()
        t, ma = zip(*trial.train, strict=True)
        given.fill_between(
            np.array(t) - trial.cue_s, ma, step="post", color=TRAIN, alpha=0.6, linewidth=0
        )
        given.set_ylim(0, 4 * most_ma)
        given.set_axis_off()
    axes.set_xlim(from_s - trial.cue_s, to_s - trial.cue_s)
    axes.tick_params(labelsize=6, length=2)
    latency = "" if trial.latency_s is None else f", {trial.latency_s:.2f} s"
    words = f"{trial.done.trial + 1} {WORDS[trial.done.outcome]}{latency}"
    axes.set_title(words, fontsize=7, color=COLOURS[trial.done.outcome], pad=2)


def _blind(trial: TrialStory, story: Story, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """While current flows, in the hold-off, and until the filters have settled after it, nothing is measured."""
    if not trial.train:
        return np.zeros(len(t_s), dtype=np.bool_)
    over_s = trial.train[-1][0] + story.core.programme.hold_off_ns / NS_PER_S + SETTLES_S
    return (t_s >= next(t for t, ma in trial.train if ma)) & (t_s < over_s)


def _strongest(
    values: NDArray[np.float64], from_s: float, to_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds, and the most of each of `POINTS` pieces: no peak is lost by leaving out."""
    step = max(1, len(values) // POINTS)
    pieces = len(values) // step
    t_s = from_s + (np.arange(pieces) + 0.5) * step / len(values) * (to_s - from_s)
    return t_s, values[: pieces * step].reshape(pieces, step).max(axis=1)
