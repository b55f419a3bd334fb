"""What an operator may change while a session runs: thresholds, and the times of rest. Nothing else is here."""

from __future__ import annotations

from nmesd.core.values import CoreSettings, Muscle, Pace, Tune


def tuned(settings: CoreSettings, act: Tune | Pace) -> CoreSettings:
    """The settings from the act on."""
    if isinstance(act, Pace):
        programme = settings.programme._replace(rest_ns=act.rest_ns, set_pause_ns=act.set_pause_ns)
        return settings._replace(programme=programme)
    muscles = list(settings.muscles)
    muscles[act.muscle] = muscles[act.muscle]._replace(
        on_nv=act.on_nv, off_nv=act.off_nv, floor_nv=act.floor_nv, ceiling_nv=act.ceiling_nv,
        veto_nv=act.veto_nv,
    )  # fmt: skip
    return settings._replace(muscles=tuple(muscles))


def tuning(
    before: CoreSettings, after: CoreSettings, operator: int, t_ns: int
) -> list[Tune | Pace]:
    """The acts from one to the other, as far as acts can: whoever asks compares what they lead to."""
    acts: list[Tune | Pace] = [
        Tune(t_ns, operator, number, *levels(new))
        for number, (old, new) in enumerate(zip(before.muscles, after.muscles, strict=False))
        if levels(old) != levels(new)
    ]
    was, now = before.programme, after.programme
    if (was.rest_ns, was.set_pause_ns) != (now.rest_ns, now.set_pause_ns):
        acts.append(Pace(t_ns, operator, now.rest_ns, now.set_pause_ns))
    return acts


def levels(muscle: Muscle) -> tuple[int, int, int, int, int]:
    """Everything that `Tune` says of a muscle."""
    return muscle.on_nv, muscle.off_nv, muscle.floor_nv, muscle.ceiling_nv, muscle.veto_nv
