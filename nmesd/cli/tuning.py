"""After many sessions: tune."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmesd.cli.app import app
from nmesd.cli.common import AsJson
from nmesd.errors import RecordError

if TYPE_CHECKING:
    from nmesd.sessions.sweep import Tried

COLUMNS = (
    "settings", "on_uv", "off_uv", "success_percent", "success", "miss", "unknown", "false_per_min", "false",
    "listened_s", "latency_s",
)  # fmt: skip
ROWS = 12  # on the terminal; all of them are in the CSV


@app.command()
def tune(
    folders: Annotated[list[Path], typer.Argument(help="session folders, or folders of sessions")],
    config: Annotated[
        Path | None, typer.Option(help="nmesd.toml to change, instead of the files of the last session")
    ] = None,
    patient: Annotated[str, typer.Option(help="code, where there are sessions of several")] = "",
    muscle: Annotated[str, typer.Option(help="its label, if the patient has several")] = "",
    false_per_min: Annotated[
        float, typer.Option(min=0, help="how many false triggers a minute are allowed")
    ] = 0.5,
    detector: Annotated[
        list[str] | None, typer.Option(help="cusum or envelope; again for each; without: both")
    ] = None,
    envelope: Annotated[
        list[str] | None, typer.Option(help="lowpass:8 (Hz) or rms:100 (ms), to detect by; again for each")
    ] = None,
    band_low: Annotated[
        list[float] | None, typer.Option(help="Hz; again for each; without: as recorded")
    ] = None,
    on_uv: Annotated[
        list[float] | None,
        typer.Option(help="µV; again for each; without: half to four times the recorded one"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="processes; 0: one for each core")] = 0,
    scheduler: Annotated[
        str, typer.Option(help="a Dask scheduler instead, as tcp://host:8786; its workers must see the folders")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="folder for table (CSV), picture, diff and the changed files")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Try thresholds, envelopes and detectors on recorded sessions, and suggest the best as a change of the files.

    Success: an onset 0.1 s or more after the cue of a trial that asked for an attempt. False: an onset in rest, in
    a no-go trial or sooner than that. Unknown: trials in which current began before these settings had decided;
    they are left out, so sessions without current (biofeedback, sham) say most. Nothing is changed: the suggestion
    is a diff, and `nmesd check` has the last word on it.
    """
    from rich.console import Console
    from rich.progress import Progress

    from nmesd.daemon.suggesting import suggestion, write
    from nmesd.daemon.tuning import ENVELOPES, Grid, base_of, candidates
    from nmesd.sessions.asked import asks
    from nmesd.sessions.several import of_patient, sessions_in
    from nmesd.sessions.sweep import Candidate, best, cluster, cores, sweep
    from nmesd.sessions.tune_picture import tune_picture

    sessions = of_patient(sessions_in(folders), patient)
    paths = [session.path.resolve() for session in sessions if asks(session)]
    if not paths:
        raise RecordError(
            f"in none of {len(sessions)} sessions somebody was asked to try: give others"
        )
    base = base_of(paths, config, muscle)
    grid = Grid(
        detectors=detector or ("cusum", "envelope"), envelopes=envelope or ENVELOPES,
        band_low_hz=band_low or (), on_uv=on_uv or (),
    )  # fmt: skip
    bands, tried = candidates(base, grid)
    now = Candidate(name=tried[0].name, coefficients=tried[0].coefficients, levels=(base.level,))
    with (
        cluster(scheduler) if scheduler else cores(jobs) as executor,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        bar = progress.add_task(f"{len(paths)} sessions, {len(tried)} chains", total=1.0)
        scores = sweep(
            executor, paths, tried, base.number, lambda share: progress.update(bar, completed=share)
        )
        chosen = best(scores, false_per_min)
        one = tried[chosen.candidate]
        live = Candidate(name=one.name, coefficients=one.coefficients, levels=(chosen.level,))
        progress.update(
            bar, description="the best and the recorded once more, as live", completed=0
        )
        recorded, confirmed = sweep(
            executor, paths, [now, live], base.number,
            lambda share: progress.update(bar, completed=share), "live",
        )  # fmt: skip
    found = suggestion(base, bands[chosen.candidate], chosen)
    rows = [_row(tried[one.candidate].name, one) for one in scores]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "tune.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        (out / "suggested.diff").write_text(found.diff + "\n", encoding="utf-8")
        write(base, found, out / "suggested")
        tune_picture(tried, scores, recorded, confirmed, false_per_min, out / "tune.png")
    told = {
        "sessions": len(paths), "left_out": len(sessions) - len(paths), "muscle": base.label,
        "recorded": _row(now.name, recorded), "suggested": _row(live.name, confirmed), "tried": rows,
        "diff": found.diff, "complaint": found.complaint,
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(told))
        return
    for line in _in_words(told, false_per_min, out):
        typer.echo(line)


def _row(name: str, one: Tried) -> dict[str, Any]:
    score = one.score
    latency_s = score.latency_s
    return {
        "settings": name,
        "on_uv": float(f"{one.level.on_uv:.4g}"),
        "off_uv": float(f"{one.level.off_uv:.4g}"),
        "success_percent": round(100 * score.success_rate, 1),
        "success": score.success, "miss": score.miss, "unknown": score.unknown,
        "false_per_min": round(score.false_per_min, 3),
        "false": score.false,
        "listened_s": round(score.listened_s, 1),
        "latency_s": None if latency_s is None else round(latency_s, 3),
    }  # fmt: skip


def _in_words(told: dict[str, Any], false_per_min: float, out: Path | None) -> list[str]:
    head = f"{'settings':32} {'on µV':>7} {'success':>16} {'unknown':>8} {'false/min':>10} {'latency s':>10}"
    calm = [
        row
        for row in told["tried"]
        if row["false_per_min"] <= false_per_min and row["success"] + row["miss"] >= row["unknown"]
    ]
    ranked = sorted(calm, key=lambda row: (-row["success_percent"], row["latency_s"] or 0.0))
    lines = [
        f"{told['muscle']}: {told['sessions']} sessions, {told['left_out']} more asked for nothing",
        f"with at most {false_per_min:g} false triggers a minute:",
        head,
        *map(_line, ranked[:ROWS]),
        "",
        "once more by the code that runs live:",
        f"  recorded   {_line(told['recorded'])}",
        f"  suggested  {_line(told['suggested'])}",
        "",
        *told["diff"].splitlines(),
    ]
    if told["complaint"]:
        lines += ["", f"not yet accepted by `nmesd check`: {told['complaint']}"]
    where = (
        f"{out}: tune.csv, tune.png, suggested.diff, suggested/" if out else "--out FOLDER keeps it"
    )
    return [*lines, "", where]


def _line(row: dict[str, Any]) -> str:
    known = row["success"] + row["miss"]
    share = f"{row['success_percent']:.0f} % of {known}"
    latency = "" if row["latency_s"] is None else f"{row['latency_s']:.3f}"
    return (
        f"{row['settings']:32} {row['on_uv']:7.4g} {share:>16} {row['unknown']:8} {row['false_per_min']:10.2f} "
        f"{latency:>10}"
    )
