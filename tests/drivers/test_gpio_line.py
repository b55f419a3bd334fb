"""One line of a GPIO chip: on a fake chip, and on the kernel's simulated one."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import gpiod
import pytest
from gpiod.line import Value

from nmesd.drivers import make_driver
from nmesd.drivers.gpio_line import do_all, open_line
from nmesd.errors import DeviceError
from tests.drivers.gpio_bench import (
    GIVING,
    PERIOD_NS,
    SET,
    START,
    TOGGLE_NS,
    TRIGGER_NS,
)


class FakeRequest:
    def __init__(self, chip: "FakeChip", line: int) -> None:
        self._chip, self._line = chip, line
        chip.levels[line] = Value.INACTIVE

    def set_value(self, line: int, value: Value) -> None:
        assert line == self._line
        if self._chip.path in self._chip.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self._chip.levels[line] = value

    def get_value(self, line: int) -> Value:
        if line in self._chip.unreadable:
            raise NotImplementedError(errno.EOPNOTSUPP, "not supported")
        return Value.ACTIVE if line in self._chip.stuck else self._chip.levels[line]

    def release(self) -> None:
        del self._chip.holders[self._line]


class FakeChip:
    """What gpiod.Chip is to `open_line`, over chips that are files in a folder."""

    labels: ClassVar[dict[str, str]] = {}  # of each path
    holders: ClassVar[dict[int, str]] = {}
    levels: ClassVar[dict[int, Value]] = {}
    stuck: ClassVar[set[int]] = set()  # knob: high whatever is set
    unreadable: ClassVar[set[int]] = set()  # knob: cannot be read back
    forbidden: ClassVar[set[str]] = set()  # knob: paths that may not be opened
    gone: ClassVar[set[str]] = set()  # knob: unplugged

    def __init__(self, path: str) -> None:
        if path in self.forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")
        if path not in self.labels:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        pass

    def get_info(self) -> gpiod.ChipInfo:
        return gpiod.ChipInfo(Path(self.path).name, self.labels[self.path], 54)

    def get_line_info(self, line: int) -> Any:
        return type("Info", (), {"consumer": self.holders[line]})

    def request_lines(self, config: dict[int, gpiod.LineSettings], consumer: str) -> FakeRequest:
        ((line, wanted),) = config.items()
        assert wanted.direction is gpiod.line.Direction.OUTPUT
        assert wanted.output_value is Value.INACTIVE
        if line in self.holders:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.holders[line] = consumer
        return FakeRequest(self, line)


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A /dev with the two chips of a Raspberry Pi 4, one of them also under an old number."""
    known: list[Any] = [FakeChip.labels, FakeChip.holders, FakeChip.levels, FakeChip.stuck]
    known += [FakeChip.unreadable, FakeChip.forbidden, FakeChip.gone]
    for name, label in (("0", "pinctrl-bcm2711"), ("1", "raspberrypi-exp-gpio")):
        (tmp_path / f"gpiochip{name}").touch()
        FakeChip.labels[str(tmp_path / f"gpiochip{name}")] = label
    (tmp_path / "gpiochip4").symlink_to(tmp_path / "gpiochip0")
    monkeypatch.setattr("nmesd.drivers.gpio_line.DEV", tmp_path)
    monkeypatch.setattr(gpiod, "Chip", FakeChip)
    yield tmp_path
    for one in known:
        one.clear()


class TestLine:
    @pytest.mark.parametrize("by_path", [False, True])
    def test_it_is_claimed_low_driven_and_left_low(self, dev: Path, by_path: bool) -> None:
        line = open_line(str(dev / "gpiochip0") if by_path else "pinctrl-bcm2711", 17, "me")
        assert FakeChip.holders == {17: "me"}
        assert FakeChip.levels == {17: Value.INACTIVE}
        line.set(True)
        assert FakeChip.levels == {17: Value.ACTIVE}
        assert line.reads_high()
        line.close()
        line.close()
        assert (FakeChip.holders, FakeChip.levels) == ({}, {17: Value.INACTIVE})
        assert not line.reads_high()
        with pytest.raises(DeviceError, match=r"line 17 of .* is not open"):
            line.set(False)

    def test_two_lines_of_one_chip(self, dev: Path) -> None:
        lines = [open_line("pinctrl-bcm2711", line) for line in (4, 5)]
        lines[1].set(True)
        lines[0].close()
        assert FakeChip.levels == {4: Value.INACTIVE, 5: Value.ACTIVE}
        assert FakeChip.holders == {5: "nmesd-guard"}

    def test_an_unknown_label_is_answered_with_those_there_are(self, dev: Path) -> None:
        words = "'pinctrl-rp1'; there are: pinctrl-bcm2711, raspberrypi-exp-gpio. Correct"
        with pytest.raises(DeviceError, match=words):
            open_line("pinctrl-rp1", 17)

    def test_on_a_machine_without_any(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("nmesd.drivers.gpio_line.DEV", tmp_path)
        with pytest.raises(DeviceError, match="there are: none"):
            open_line("pinctrl-rp1", 17)

    def test_two_chips_of_one_label_must_be_told_apart(self, dev: Path) -> None:
        FakeChip.labels[str(dev / "gpiochip1")] = "pinctrl-bcm2711"
        with pytest.raises(DeviceError, match=r"more than one .*gpiochip0 or .*gpiochip1"):
            open_line("pinctrl-bcm2711", 17)

    def test_not_allowed(self, dev: Path) -> None:
        FakeChip.forbidden.add(str(dev / "gpiochip0"))
        for chip in ("pinctrl-bcm2711", str(dev / "gpiochip0")):
            with pytest.raises(DeviceError, match=r"not allowed: .* group gpio"):
                open_line(chip, 17)
        open_line("raspberrypi-exp-gpio", 1).close()  # another one's lock does not matter

    @pytest.mark.parametrize(("holder", "named"), [("spi0 CS0", "spi0 CS0"), ("", "the kernel")])
    def test_a_busy_line_names_who_has_it(self, dev: Path, holder: str, named: str) -> None:
        FakeChip.holders[17] = holder
        words = rf"line 17 of pinctrl-bcm2711: another program has this line \({named}\)"
        with pytest.raises(DeviceError, match=words):
            open_line("pinctrl-bcm2711", 17)
        assert FakeChip.holders == {17: holder}

    def test_a_line_it_does_not_have(self, dev: Path) -> None:
        with pytest.raises(DeviceError, match="has lines 0 to 53, not 54"):
            open_line("pinctrl-bcm2711", 54)

    def test_a_path_that_is_none(self, dev: Path) -> None:
        with pytest.raises(DeviceError, match="no such GPIO chip: `gpiodetect`"):
            open_line(str(dev / "gpiochip9"), 17)

    @pytest.mark.parametrize("path", ["/dev/null", "/etc/passwd", "/nowhere"])
    def test_what_the_real_gpiod_says_of_another_file(self, path: str) -> None:
        with pytest.raises(DeviceError, match="no such GPIO chip"):
            open_line(path, 17)

    def test_a_line_that_is_high_though_set_low_is_refused(self, dev: Path) -> None:
        FakeChip.stuck.add(17)
        with pytest.raises(DeviceError, match="is high though set low: something else drives it"):
            open_line("pinctrl-bcm2711", 17)
        assert FakeChip.holders == {}

    def test_a_chip_that_cannot_be_read_back_is_taken_at_its_word(self, dev: Path) -> None:
        FakeChip.unreadable.add(17)
        open_line("pinctrl-bcm2711", 17).set(True)
        assert FakeChip.levels == {17: Value.ACTIVE}

    def test_a_chip_that_is_gone(self, dev: Path) -> None:
        line = open_line("pinctrl-bcm2711", 17)
        FakeChip.gone.add(str(dev / "gpiochip0"))
        with pytest.raises(DeviceError, match=r"cannot be set high: .* still there"):
            line.set(True)
        with pytest.raises(DeviceError, match="cannot be set low"):
            line.close()
        assert FakeChip.holders == {}

    def test_another_failure_of_the_kernel_is_passed_on(
        self, dev: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(FakeChip, "request_lines", refuse)
        with pytest.raises(DeviceError, match=r"line 17 of pinctrl-bcm2711: .*Input/output error"):
            open_line("pinctrl-bcm2711", 17)

    def test_without_gpiod(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "gpiod", None)
        with pytest.raises(DeviceError, match="gpiod is not installed: `pip install gpiod`"):
            open_line("pinctrl-bcm2711", 17)


def test_all_are_done_whatever_fails_and_the_first_failure_is_raised() -> None:
    done = []

    def fail(text: str) -> None:
        done.append(text)
        raise DeviceError(text)

    with pytest.raises(DeviceError, match="one"):
        do_all(lambda: fail("one"), lambda: done.append("two"), lambda: fail("three"))
    assert done == ["one", "two", "three"]
    do_all()


# ---- the kernel's simulated chip ------------------------------------------------------------------------------

CONFIGFS = Path("/sys/kernel/config/gpio-sim")


class SimulatedChip:
    """A chip of the gpio-sim module (docs.kernel.org/admin-guide/gpio/gpio-sim.html)."""

    lines = 8

    def __init__(self) -> None:
        self.label = f"nmesd-{os.getpid()}"
        self._device = CONFIGFS / self.label
        self._bank = self._device / "bank0"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text(str(self.lines))
        (self._bank / "label").write_text(self.label)
        (self._device / "live").write_text("1")
        chip, device = self._read(self._bank / "chip_name"), self._read(self._device / "dev_name")
        self._sysfs = Path("/sys/devices/platform") / device / chip
        self.path = Path("/dev") / chip
        until_s = time.monotonic() + 10
        while not self.path.exists():  # udev makes it
            assert time.monotonic() < until_s
            time.sleep(0.01)

    @staticmethod
    def _read(path: Path) -> str:
        return path.read_text().strip()

    def high(self, line: int) -> bool:
        return self._read(self._sysfs / f"sim_gpio{line}" / "value") == "1"

    def close(self) -> None:
        (self._device / "live").write_text("0")
        self._bank.rmdir()
        self._device.rmdir()


@pytest.fixture
def simulated() -> Iterator[SimulatedChip]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a simulated GPIO chip")
    if not CONFIGFS.is_dir() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "gpio-sim"], check=False, capture_output=True)
    if not CONFIGFS.is_dir():
        pytest.skip("this kernel has no gpio-sim module, or configfs is not mounted")
    chip = SimulatedChip()
    yield chip
    chip.close()


@pytest.mark.root
def test_the_kernel_s_lines_are_really_driven(simulated: SimulatedChip) -> None:
    options = SET | {"trigger_line": 2, "gate_line": 5}
    driver = make_driver("gpio", simulated.label, options)
    driver.open()
    try:
        assert not simulated.high(2)
        driver.apply(GIVING, START)
        assert driver.tick(START).pulses == 1
        assert simulated.high(2)
        assert simulated.high(5)
        assert driver.tick(START + TRIGGER_NS).pulses == 0
        assert not simulated.high(2)
        driver.tick(START + TOGGLE_NS)
        assert not simulated.high(5)
        driver.tick(START + PERIOD_NS)
        assert simulated.high(2)
        with pytest.raises(DeviceError, match=r"another program has this line \(nmesd-guard\)"):
            open_line(str(simulated.path), 5)
        other = open_line(simulated.label, 3)
        other.set(True)
        assert simulated.high(3)
        driver.zero(START + PERIOD_NS + 1)
        assert not simulated.high(2)
        assert not simulated.high(5)
        assert simulated.high(3)
        other.close()
        with pytest.raises(DeviceError, match="has lines 0 to 7, not 8"):
            open_line(simulated.label, 8)
        driver.apply(GIVING, START + 2 * PERIOD_NS)
        driver.tick(START + 2 * PERIOD_NS)
    finally:
        driver.close()
    assert not simulated.high(2)
    assert not simulated.high(5)
    open_line(simulated.label, 2).close()
