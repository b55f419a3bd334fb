"""The certificate for a person at a terminal: the state first, then idle beside loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nmesd.certificate.run import PARTS, held

ORDER: Final = (
    "arrival", "filter", "decision", "lease_write", "guard", "device_write", "device_ack", "sample_to_guard",
)  # fmt: skip
Row = tuple[str, Callable[[Mapping[str, Any]], str]]


def shown(certificate: Mapping[str, Any]) -> RenderableType:
    """All of it."""
    good = held(dict(certificate))
    head = Text("HELD" if good else "NOT HELD", style="bold green" if good else "bold red")
    head.append(f": {summary(certificate)}", style="default")
    lines = [Text(f"  {line}") for line in said(certificate)]
    tables = [_stages(certificate), _figures(certificate)]
    return Group(head, *lines, "", *tables, _foot(certificate))


def summary(certificate: Mapping[str, Any]) -> str:
    """What was measured, in a line."""
    unit = certificate["unit"]
    return (
        f"{unit['channels']} channels at {unit['rate_hz']:g} Hz, {unit['seconds']:g} s idle and loaded, device "
        f"{unit['device']}, lease {unit['lease_ms']} ms"
    )


def said(certificate: Mapping[str, Any]) -> list[str]:
    """What did not hold, and what has to be said beside it; the same thing once."""
    lines = [
        f"{name}: {'' if key == 'reasons' else 'explained: '}{one}"
        for name in PARTS
        for key in ("reasons", "notes")
        for one in certificate[name][key]
    ]
    return list(dict.fromkeys(lines))


def rows(certificate: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured beside the stages: name, idle, loaded."""
    idle, loaded = (certificate[name] for name in PARTS)
    return [(what, figure(idle), figure(loaded)) for what, figure in _ROWS]


def in_ms(us: float) -> str:
    """Milliseconds, to the microsecond where they are few."""
    return f"{us / 1000:.3f}" if us < 10_000 else f"{us / 1000:.1f}"  # noqa: PLR2004 - 10 ms


def _stages(certificate: Mapping[str, Any]) -> Table:
    table = Table(title="from sample to stimulator, ms (idle / loaded)")
    table.add_column("stage")
    for name in ("p50", "p99", "p99.9", "max"):
        table.add_column(name, justify="right")
    for stage in ORDER:
        found = [certificate[name]["stages"].get(stage) for name in PARTS]
        if any(found):
            cells = [
                " / ".join(in_ms(one[key]) if one else "–" for one in found)
                for key in ("p50_us", "p99_us", "p999_us", "max_us")
            ]
            table.add_row(stage.replace("_", " "), *cells)
    return table


def _figures(certificate: Mapping[str, Any]) -> Table:
    table = Table(title="the loop")
    for name in ("what", *PARTS):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows(certificate):
        table.add_row(*row)
    return table


def _foot(certificate: Mapping[str, Any]) -> Text:
    unit = certificate["unit"]
    kernel = f"{unit['kernel']}{', PREEMPT_RT' if unit['preempt_rt'] else ''}"
    text = "\n".join((
        f"{unit['model']}, {unit['cores']} cores, governor {unit['governor']}, {kernel}",
        f"nmesd {unit['nmesd']} {unit['commit']}, {unit['made']}, sha256 {certificate['sha256'][:16]}",
        "Of this unit only. Research software, not a medical device. Not measured:",
        *(f"  {one}" for one in unit["not_measured"]),
    ))  # fmt: skip
    return Text(text, style="dim")


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} ms"


def _heard(part: Mapping[str, Any]) -> str:
    found = part["detection"]
    return f"{found['attempts']}, {found['missed']} missed, {found['false']} false"


def _delay(part: Mapping[str, Any]) -> str:
    found = part["detection"]
    return " / ".join(_ms(found[key]) for key in ("p50_ms", "p95_ms"))


def _misses(part: Mapping[str, Any]) -> str:
    return f"{part['lease_misses']}, {part['lease_misses_explained']} of them explained"


def _rights(part: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {one['scheduler']} {one['priority'] or one['nice']}"
        for name, one in part["rights"].items()
    )


def _shares(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['cpu_pct']:.1f}" for one in part["processes"].values())


def _memory(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['rss_mb']:.1f}" for one in part["processes"].values())


def _stalls(part: Mapping[str, Any]) -> str:
    machine = part["machine"]
    return f"{machine['stalls']}, longest {machine['stall_max_ms']:.1f} ms"


_ROWS: Final[tuple[Row, ...]] = (
    ("verdict", lambda part: str(part["verdict"])),
    ("lease misses", _misses),
    ("all trips", lambda part: str(len(part["trips"]))),
    (
        "engine frozen in mid-train: time to zero, median / worst",
        lambda part: f"{_ms(part['zero']['median_ms'])} / {_ms(part['zero']['worst_ms'])}",
    ),
    (
        "engine killed in mid-train: worst",
        lambda part: _ms(max(part["zero"]["killed_ms"], default=None)),
    ),
    ("attempts while listening", _heard),
    ("known onset to decision, median / 95 %", _delay),
    ("processor, % of one core: engine, guard, daemon", _shares),
    ("resident memory, MB: engine, guard, daemon", _memory),
    ("from `nmesd run` to ready", lambda part: f"{part['ready_s']:.2f} s"),
    ("scheduler, priority or niceness", _rights),
    ("the machine: busy", lambda part: f"{part['machine_busy_pct']:.0f} %"),
    ("the machine: stood still for over 1 ms", _stalls),
)
