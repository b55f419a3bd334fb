"""What the trials of a session came to: how many of each, and the rates with their intervals."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import NormalDist, median
from typing import Any, Final

from nmesd.core.values import Outcome, Trial, TrialDone
from nmesd.sessions.folder import Folder

CONFIDENCE: Final = 0.95


def trials_of(folder: Folder) -> list[TrialDone]:
    """Every trial of a session, in order."""
    return [entry for _, entry in folder.entries() if isinstance(entry, TrialDone)]


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a share, 0 to 1: also right for few and for none (Wilson 1927, doi 10.2307/2276774)."""
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, scale = hits / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives 0 and 1 but for the last bit.
    low = 0.0 if hits == 0 else middle - half
    return low, 1.0 if hits == n else middle + half


def report(trials: list[TrialDone]) -> dict[str, Any]:
    """Counts, success and false-positive rate, latency, dose."""
    go, no_go, sham = (
        Counter(t.outcome for t in trials if t.purpose is kind) for kind in (Trial.GO, Trial.NO_GO, Trial.SHAM)
    )  # fmt: skip
    tried = go + sham  # whoever tries does not know which it is
    missed = tried[Outcome.MISS] + tried[Outcome.ASSISTED]
    latencies_s = [t.latency_ns / 1e9 for t in trials if t.outcome is Outcome.SUCCESS]
    return {
        "trials": len(trials),
        "outcomes": {
            kind.name: {outcome.name: n for outcome, n in sorted(counts.items())}
            for kind, counts in ((Trial.GO, go), (Trial.NO_GO, no_go), (Trial.SHAM, sham))
            if counts
        },
        "success": _rate(tried[Outcome.SUCCESS], tried[Outcome.SUCCESS] + missed),
        "false_positive": _rate(
            no_go[Outcome.FALSE_ALARM],
            no_go[Outcome.FALSE_ALARM] + no_go[Outcome.CORRECT_REJECTION],
        ),
        "latency_s": round(median(latencies_s), 3) if latencies_s else None,
        "pulses": sum(t.pulses for t in trials),
        "charge_uc": sum(t.charge_pc for t in trials) / 1e6,
        "on_s": sum(t.on_ns for t in trials) / 1e9,
    }


def _rate(hits: int, n: int) -> dict[str, Any] | None:
    if not n:
        return None
    low, high = wilson(hits, n)
    return {"n": n, "hits": hits, "rate": hits / n, "low": round(low, 4), "high": round(high, 4)}


def in_words(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    lines = [f"{found['trials']} trials"]
    for kind, counts in found["outcomes"].items():
        lines.append(f"  {kind:6} " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    for name, words in (("success", "success rate"), ("false_positive", "false-positive rate")):
        if rate := found[name]:
            lines.append(
                f"{words}: {100 * rate['rate']:.0f} % ({rate['hits']} of {rate['n']}; 95 %: "
                f"{100 * rate['low']:.0f} to {100 * rate['high']:.0f} %)"
            )
    if found["latency_s"] is not None:
        lines.append(f"from cue to success: {found['latency_s']:.2f} s (median)")
    lines.append(
        f"dose: {found['pulses']} pulses, {found['charge_uc']:.0f} µC, {found['on_s']:.1f} s of current"
    )
    return lines
