"""(b) and (c): what one hop costs each tool's chain; nmesd's over channels and rates."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.hop_cost import BLOCK, chain_step, costs_us, trimmed
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


class Worker:
    """A tool's chain in a process of its own, that waits until it is its turn."""

    def __init__(self, python: str, tool: str, channels: int, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "bench.peers.chains", tool, str(channels)],
            cwd=ROOT, env=env, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, hops: int) -> list[float]:
        """Microseconds of each. Raises RuntimeError with the last line of its error."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            print(hops, file=process.stdin)
            for line in process.stdout:
                if line.startswith("["):  # some tools greet
                    return [float(us) for us in json.loads(line)]
        except BrokenPipeError:
            pass
        said = process.stderr.read().strip().splitlines()
        raise RuntimeError(said[-1] if said else f"exit code {process.wait()}")

    def end(self) -> None:
        """At once."""
        self._process.kill()
        self._process.communicate()


def measure(hops: int, rounds: int, tick: Callable[[str], None]) -> tuple[Costs, list[str]]:
    """Tools in turns, BLOCK hops each: all of them see the same machine. Also what could not be measured."""
    costs: Costs = {}
    wrong = {
        tool: "its environment is not set up: make peers"
        for tool, (python, _) in TOOLS.items()
        if not Path(python).exists()
    }
    with session("nmesd-peers") as env:
        for channels in CHANNELS:
            workers = {
                tool: Worker(python, tool, channels, env)
                for tool, (python, _) in TOOLS.items()
                if tool not in wrong
            }
            try:
                _bring_up(workers, wrong)
                for first in range(0, hops * rounds, BLOCK):
                    for tool, worker in workers.items():
                        tick(f"{tool}, {channels} channels")
                        if tool in wrong:
                            continue
                        try:
                            told = worker.run(min(BLOCK, hops * rounds - first))
                        except RuntimeError as error:
                            wrong[tool] = str(error)
                            costs.pop(tool, None)  # a row with holes compares nothing
                            continue
                        costs.setdefault(tool, {}).setdefault(channels, []).extend(told)
            finally:
                for worker in workers.values():
                    worker.end()
    return costs, [f"{tool}: {text}" for tool, text in wrong.items()]


def _bring_up(workers: dict[str, Worker], wrong: dict[str, str]) -> None:
    """A hop of each: nobody is measured while another one still loads what it needs."""
    for tool, worker in workers.items():
        try:
            worker.run(1)
        except RuntimeError as error:
            wrong[tool] = str(error)


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
    return lines


def notched() -> str:
    """`sosfilt` and nmesd with notches, as bench/hop_cost.py has them: the more honest of the two, in turns."""
    own_us, plain_us = (trimmed(us) for us in costs_us(8, 20_000))
    return (
        f"* with three mains notches in both, 8 channels, in turns in one process: `sosfilt` "
        f"{plain_us / own_us:.1f} × ours ({plain_us:.0f} and {own_us:.0f} µs)\n"
    )


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
