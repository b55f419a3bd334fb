"""(b) and (c): what one hop costs each tool's chain; nmesd's over channels and rates."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.hop_cost import chain_step, costs_us, trimmed
from bench.peers.machine import HERE, OLD, PEERS, ROOT, session

CHANNELS: Final = (1, 8, 32, 64)
RATES_HZ: Final = (250.0, 1000.0, 2000.0, 4000.0, 10_000.0)
TOOLS: Final = {
    "nmesd": (HERE, "yes: and watches quality, decides"),
    "scipy": (HERE, "yes"),
    "ezmsg": (PEERS, "yes"),
    "timeflux": (OLD, "yes"),
    "libemg": (OLD, "no: 200 ms anew each hop, forwards and backwards"),
}
Costs = dict[str, dict[int, list[float]]]  # tool -> channels -> microseconds of every hop


def measure(hops: int, rounds: int, tick: Callable[[str], None]) -> tuple[Costs, list[str]]:
    """Tools in turns, a process each time. Also what could not be measured."""
    costs: Costs = {}
    wrong: dict[str, str] = {}
    with session("nmesd-peers") as env:
        for _ in range(rounds):
            for tool, (python, _) in TOOLS.items():
                for channels in CHANNELS:
                    tick(f"{tool}, {channels} channels")
                    if not Path(python).exists():
                        wrong[tool] = "its environment is not set up: make peers"
                        continue
                    command = [python, "-m", "bench.peers.chains", tool, str(channels), str(hops)]
                    done = subprocess.run(
                        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
                    )
                    if done.returncode:
                        wrong[tool] = done.stderr.strip().splitlines()[-1]
                        continue
                    told = json.loads(done.stdout.splitlines()[-1])
                    costs.setdefault(tool, {}).setdefault(channels, []).extend(told)
    return costs, [f"{tool}: {text}" for tool, text in wrong.items()]


def markdown(costs: Costs, wrong: list[str]) -> str:
    """Means as in bench/hop_cost.py, without the slowest 1 %; then p99."""
    head = " | ".join(f"{channels} ch" for channels in CHANNELS)
    lines = [
        f"| mean / p99, µs a hop | {head} | causal, keeps its state |",
        "|---|" + "--:|" * 4 + "---|",
    ]
    for tool, of in costs.items():
        cells = [
            f"{trimmed(of[channels]):.0f} / {np.percentile(of[channels], 99):.0f}"
            for channels in CHANNELS
        ]
        lines.append(f"| {tool} | " + " | ".join(cells) + f" | {TOOLS[tool][1]} |")
    return "\n".join([*lines, "", *verdicts(costs), *(f"* {text}" for text in wrong)]) + "\n"


def verdicts(costs: Costs) -> list[str]:
    """Every target with its figure."""
    own = {channels: trimmed(us) for channels, us in costs["nmesd"].items()}
    told = [
        (
            trimmed(costs[tool][8]) / own[8],
            asked,
            f"{tool} {{:.1f}} × ours at 8 channels ({asked} asked)",
        )
        for tool, asked in (("scipy", 10), ("ezmsg", 15))
        if tool in costs
    ]
    lines = [
        f"* {'held' if share >= asked else '**missed**'}: {text.format(share)}"
        for share, asked, text in told
    ]
    grows = own[64] / own[8]
    lines.append(
        f"* {'held' if grows <= 3 else '**missed**'}: 64 channels cost {grows:.1f} × 8 (3 asked)"
    )
    plain_us, chain_us = notched()
    times = plain_us / chain_us
    lines.append(
        f"* with three mains notches in both, 8 channels, in turns in one process: `sosfilt` {times:.1f} × ours "
        f"({plain_us:.0f} and {chain_us:.0f} µs)"
    )
    return lines


def notched() -> tuple[float, float]:
    """`sosfilt` and nmesd with notches, as bench/hop_cost.py has them."""
    own, plain = costs_us(8, 20_000)
    return trimmed(plain), trimmed(own)


def over_rates(hops: int) -> str:
    """Nmesd's chain over channels and rates: µs a hop, and share of the hop's time."""
    from bench.peers.chains import taken_us  # noqa: PLC0415

    lines = [
        "| rate | " + " | ".join(f"{channels} ch" for channels in CHANNELS) + " |",
        "|--:|" + "--:|" * 4,
    ]
    for rate_hz in RATES_HZ:
        cells = []
        for channels in CHANNELS:
            step, size = (
                chain_step(channels, mains_hz=0, rate_hz=rate_hz),
                max(1, round(rate_hz / 1000)),
            )
            mean_us = trimmed(taken_us(step, channels, hops, size))
            cells.append(f"{mean_us:.0f} µs, {mean_us * rate_hz / size / 10_000:.1f} %")
        lines.append(f"| {rate_hz:g} Hz | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plain(costs: Costs) -> dict[str, Any]:
    """For --json."""

    def figures(us: list[float]) -> dict[str, float]:
        return {"mean_us": trimmed(us), "p99_us": float(np.percentile(us, 99))}

    return {
        tool: {str(channels): figures(us) for channels, us in of.items()}
        for tool, of in costs.items()
    }
