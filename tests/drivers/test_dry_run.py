"""At the first levels of an installation everything is done but output."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from nmesd.drivers.base import NEVER_NS
from nmesd.drivers.dry_run import DryRun
from nmesd.errors import DeviceError
from nmesd.units import NS_PER_MS
from nmesd.wire import ZERO, ChannelOutput, Output

GIVING: Output = (ChannelOutput(10_000, 250, 40_000), *ZERO[1:])


@pytest.fixture(params=["sim", "gpio", "p24-low", "p24-mid", "rehastim2-list", "rehastim2-single"])
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Any]) -> Any:
    bench = make_bench(request.param, opened=False)
    bench.driver = DryRun(bench.driver, "dry-run")
    bench.driver.open()
    return bench


def test_it_never_gives_whatever_is_wanted(bench: Any) -> None:
    for _ in range(3):
        bench.apply(GIVING)
        bench.turn_for(100 * NS_PER_MS)
        assert bench.driver.tick(time.monotonic_ns()) == (0, 0, 0, NEVER_NS)
        bench.zero()
        bench.turn_for(30 * NS_PER_MS)
    assert bench.given == []
    assert (bench.pulses, bench.charge_pc) == (0, 0)


def test_it_says_so_before_all_else(bench: Any) -> None:
    assert bench.driver.identify().startswith("GIVES NOTHING (level dry-run): ")
    assert bench.driver.identify().endswith(bench.driver._driver.identify())
    assert bench.driver.capabilities.simulated
    real = bench.driver._driver.capabilities
    assert bench.driver.capabilities == real._replace(simulated=True)


def test_the_device_is_heard_and_takes_zero(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("p24-low", opened=False)
    bench.driver = DryRun(bench.driver, "single-pulse")
    bench.driver.open()
    assert bench.driver.fileno() == bench.driver._driver.fileno() >= 0
    bench.zero()
    bench.turn_for(200 * NS_PER_MS)
    assert not bench.driver._driver._line.stop_owed
    bench.emulator.order("unplug")
    assert "is gone" in str(bench.fails())
    assert bench.driver.fileno() == -1
    with pytest.raises(DeviceError, match="not connected"):
        bench.zero()


def test_it_is_opened_and_let_go(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("p24-low")
    second = DryRun(bench.another(), "dry-run")
    with pytest.raises(DeviceError, match="another program has this port"):
        second.open()
    bench.driver.close()
    second.open()
    second.close()
    assert second.fileno() == -1
