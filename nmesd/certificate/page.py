"""The certificate as a page: one HTML file with everything in it, for a screen and for A4."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from nmesd.certificate.picture import histograms
from nmesd.certificate.run import PARTS, held
from nmesd.certificate.table import ORDER, in_ms, rows, said, summary
from nmesd.sessions.page import page, part, table

NOTICE: Final = (
    "Of this unit only, with these files, on that day. Research software, not a medical device. The checksum "
    "tells whether a figure was changed after it was made, and not who made it."
)
_KEY: Final = (
    "Share of all steps against the time they took, both logarithmic; blue idle, orange loaded. Filter and "
    "decision: of one hop. Arrival and sample to guard (the whole way) count from the sample's LSL time stamp. "
    "Dashed: half the lease, which 99.9 % must stay below, and the lease, which none may reach."
)
_FIGURES: Final = ("p50_us", "p99_us", "p999_us", "max_us")
_UNIT: Final = (
    "made", "unit", "machine_id", "model", "virtual", "cores", "governor", "kernel", "preempt_rt", "temperature",
    "throttling", "nmesd", "commit", "python", "numpy", "scipy", "pylsl", "liblsl", "stimulator", "device", "disk",
    "amplitude_ma", "lease_ms", "rate_hz", "channels", "muscles", "chunk_ms", "seconds",
)  # fmt: skip


def certificate_page(certificate: Mapping[str, Any]) -> str:
    """HTML that loads nothing."""
    unit = certificate["unit"]
    good = held(dict(certificate))
    stages = [name for name in ORDER if any(name in certificate[one]["stages"] for one in PARTS)]
    parts = {name: certificate[name]["histograms"] for name in PARTS}
    lines = said(certificate)
    return page(
        f"Latency certificate: {'HELD' if good else 'NOT HELD'}",
        f"{unit['made'][:16].replace('T', ' ')} UTC · {summary(certificate)}",
        _tiles(certificate),
        [
            part("What has to be said", _list(lines)) if lines else "",
            part("From sample to stimulator, ms", _stages(certificate, stages)),
            part("How the times are spread", histograms(parts, stages, unit["lease_ms"]), key=_KEY),
            part("The loop", table(("what", *PARTS), rows(certificate))),
            part("The load", _list(certificate["loaded"]["load"])),
            part("The unit", table(("what", "is"), _unit(certificate))),
            part("Not measured", _list(unit["not_measured"])),
        ],
        NOTICE,
    )


def _tiles(certificate: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    tiles = []
    for name in PARTS:
        one = certificate[name]
        tiles.append(
            (f"{name}: verdict", one["verdict"], f"lease {certificate['unit']['lease_ms']} ms")
        )
        if way := one["stages"].get("sample_to_guard"):
            means = f"ms, 99.9 % of samples to the guard; longest {in_ms(way['max_us'])}"
            tiles.append((f"{name}: sample to guard", in_ms(way["p999_us"]), means))
        zero = one["time_to_zero_ms"]
        figure = "never" if zero is None else f"{zero:.1f} ms"
        tiles.append((f"{name}: time to zero", figure, "worst, engine frozen in mid-train"))
    return tiles


def _stages(certificate: Mapping[str, Any], stages: list[str]) -> str:
    head = [
        "stage",
        *(f"{name} {what}" for name in PARTS for what in ("p50", "p99", "p99.9", "max")),
    ]
    lines = []
    for stage in stages:
        found = [certificate[name]["stages"].get(stage) for name in PARTS]
        cells = [in_ms(one[key]) if one else "–" for one in found for key in _FIGURES]
        lines.append([stage.replace("_", " "), *cells])
    return table(head, lines)


def _unit(certificate: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit = certificate["unit"]
    lines = [(key.replace("_", " "), _word(unit[key])) for key in _UNIT]
    lines += [(f"SHA-256 of {name}", text) for name, text in unit["files_sha256"].items()]
    return [*lines, ("SHA-256 of this certificate", certificate["sha256"])]


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _list(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
