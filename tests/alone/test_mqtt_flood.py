"""A hostile broker beside a running session: the loop does not notice."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmesd.sim import loads
from nmesd.sim.rig import Rig
from nmesd.sim.witness import Witness
from tests.daemon.broker import Broker, running

SECONDS = 8.0
STALL_MS = 3.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(tmp_path, tls=False) as broker:
        yield broker


@pytest.mark.slow
def test_a_flood_from_the_network_does_not_reach_the_loop(broker: Broker) -> None:
    sections: dict[str, dict[str, Any]] = {
        "patient": {"code": "x", "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}]},
        "programme": {
            "purpose": "x", "kind": "cyclic", "session": {"minutes": 5}, "trial": {"rest_s": 0.8},
            "train": {"ramp_up_s": 0.2, "plateau_s": 2.0, "ramp_down_s": 0.2, "hold_off_s": 0.3},
        },
        "mqtt": broker.section(),
    }  # fmt: skip
    with Witness(STALL_MS) as witness, Rig(sections) as rig:
        for _ in range(
            3
        ):  # where the machine stood still the guard rightly ends it: then once more
            rig.arm()
            began_ns = time.monotonic_ns()
            with loads.started("flood", broker.port, "u1", 0, 5000, SECONDS) as sender:
                sent = int(sender.communicate(timeout=SECONDS + 30)[0])
            status = rig.status()
            if status["state"] != "TRIPPED":
                break
            stalls = witness.stalls(began_ns, time.monotonic_ns())
            assert stalls, f"tripped without a stall of the machine: {status['text']}"
            rig.ask("reset", operator="A")
        else:
            pytest.skip("this machine stands still again and again")
        assert sent > 1000
        assert status["guard"] == "ARMED"
        assert status["trains"] >= 2
        assert status["telemetry_lost"] == 0
        stopped_ns = time.monotonic_ns()
        subprocess.run([sys.executable, "-c", STOP, str(broker.port)], check=True, env=rig.env)
        rig.wait_for("TRIPPED")
        assert not [p for p in rig.currents() if p.given_ns > stopped_ns + 3_000_000_000]


STOP = """
import asyncio, sys
import aiomqtt

async def stop(port):
    async with aiomqtt.Client("localhost", port) as client:
        await client.publish("nmesd/u1/command", "stop", qos=1)

asyncio.run(stop(int(sys.argv[1])))
"""
