"""A certificate whose figures nobody measured, for everything that is made of one."""

from typing import Any

from nmesd.certificate import window
from nmesd.certificate.part import judged
from nmesd.certificate.signature import signed
from nmesd.wire import Histogram

STAGES = (
    "arrival",
    "filter",
    "decision",
    "lease_write",
    "guard",
    "device_write",
    "sample_to_guard",
)


def histogram(*us: int, most_us: int = 0) -> Histogram:
    """Each of `us` 2000 times, so that one is below a thousandth: `most_us`."""
    new = Histogram()
    for one in us * 2000:
        new.add(one * 1000)
    if most_us:
        new.add(most_us * 1000)
    return new


def trip(reason: str = "LEASE_EXPIRED", *, explained: bool = False) -> dict[str, Any]:
    return {
        "minute": 0.5, "reason": reason, "text": "the engine was late", "explained": explained,
        "stood_ms": 12.0 if explained else 0.0, "stalls": [],
    }  # fmt: skip


def unjudged(**changed: Any) -> dict[str, Any]:
    """A part that holds, but for what is changed."""
    stages = {name: histogram(300, 400, 900) for name in STAGES} | changed.pop("histograms", {})
    one = {"cpu_pct": 5.0, "rss_mb": 20.0}
    return {
        "trips": [],
        "zero": {
            "frozen_ms": [18.5, 19.5], "killed_ms": [0.4], "tries": {"frozen": 2, "killed": 1},
            "median_ms": 19.0, "worst_ms": 19.5, "pulses_after": 0, "zero_seen_by": "the stimulator",
        },
        "longest": {"stood_ms": 0.0, "witnessed": True},
        "detection": {
            "attempts": 9, "missed": 0, "false": 0, "p50_ms": 50.0, "p95_ms": 90.0, "max_ms": 99.0,
        },
        "stages": {name: window.figures(stage) for name, stage in stages.items()},
        "counts": {name: stage.count for name, stage in stages.items()},
        "histograms": {
            name: {"max_ns": stage.max_ns, "pairs": stage.pairs()} for name, stage in stages.items()
        },
        "cpu_pct": 15.0, "rss_mb": 60.0, "processes": dict.fromkeys(("engine", "guard", "daemon"), one),
        "machine_busy_pct": 10.0, "seconds": 60.0, "ready_s": 2.0,
        "machine": {
            "stalls": 0, "stall_max_ms": 0.0, "stolen_s": 0.0, "excuse_by_chance": 0.0,
            "witness_real_time": True,
        },
        "rights": {"engine": {"scheduler": "SCHED_FIFO", "priority": 40, "nice": 0, "locked_mb": 100.0}},
        "stimulator": "simulated stimulator", "load": ["core 0 busy"],
        **changed,
    }  # fmt: skip


UNIT: dict[str, Any] = {
    "made": "2026-11-28T22:00:00+00:00", "unit": "u1", "machine_id": "0011223344556677", "model": "a <model>",
    "virtual": True, "cores": 2, "governor": "none: virtual machine", "kernel": "Linux 6 x86_64",
    "preempt_rt": False, "temperature": "no sensor", "throttling": "no Raspberry Pi", "nmesd": "0.1", "commit": "",
    "python": "3.11", "numpy": "2", "scipy": "1", "pylsl": "1", "liblsl": 1.18,
    "files_sha256": {"nmesd.toml": "00"}, "device": "sim", "amplitude_ma": 5.0, "lease_ms": 20, "rate_hz": 1000.0,
    "channels": 2, "muscles": 1, "chunk_ms": 1.0, "seconds": 60.0, "not_measured": ["the amplifier"],
    "stimulator": "simulated stimulator", "disk": "of temporary files",
}  # fmt: skip


def certificate(**loaded: Any) -> dict[str, Any]:
    """Idle holds; loaded but for what is changed."""
    parts = {"idle": judged(unjudged(), 20), "loaded": judged(unjudged(**loaded), 20)}
    return signed({**parts, "unit": UNIT})
