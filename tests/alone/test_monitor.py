"""The page beside a real session: it follows, its STOP zeroes the output, and fifty of it disturb nobody."""

import shutil
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from nmesd.sim.rig import Child, Rig
from nmesd.sim.witness import Witness

PAGES = 50
STALL_MS = 3.0
SOON_MS = 20_000.0  # far beyond what anything here takes, also on a busy machine
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
# Trains by the clock: long ones, so that STOP falls into one.
SECTIONS: dict[str, dict[str, Any]] = {
    "patient": {"code": "P7", "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}]},
    "programme": {
        "purpose": "x", "kind": "cyclic", "session": {"minutes": 30}, "trial": {"rest_s": 0.8},
        "train": {"ramp_up_s": 0.2, "plateau_s": 8.0, "ramp_down_s": 0.2, "hold_off_s": 0.3},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(SECTIONS) as rig:
        rig.wait_for("DISARMED")  # the monitor is ready sooner than the daemon
        yield rig


@pytest.fixture(scope="module")
def monitor(rig: Rig) -> Child:
    sockets = ("--control", rig.control_socket, "--guard", rig.guard_socket)
    return rig.start("nmesd.cli", "monitor", "--json", "--port", "0", *sockets)


@pytest.fixture(scope="module")
def url(monitor: Child) -> str:
    until_s = time.monotonic() + 20
    while not monitor.events:
        assert time.monotonic() < until_s
        assert monitor.process.poll() is None
        time.sleep(0.01)
    return str(monitor.events[0]["url"])


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Any]:
    """The page in a browser without a screen."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_context(viewport={"width": 1180, "height": 820}).new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        yield page
        browser.close()
    assert [
        one for one in said if "ERR_" not in one
    ] == []  # lost connections are told, by the browser


def shows(page: Any, word: str) -> None:
    page.wait_for_function(
        "word => document.getElementById('word').textContent === word", arg=word, timeout=SOON_MS
    )


def to_mid_train(rig: Rig) -> None:
    """Armed, current flows. Where the machine stands still the guard rightly ends it: then once more."""
    for _ in range(5):
        if rig.status()["state"] == "TRIPPED":
            rig.ask("reset", operator="A")
        rig.ask("disarm")
        rig.arm()
        until_s = time.monotonic() + 5
        while (now := rig.status())["state"] != "TRIPPED" and time.monotonic() < until_s:
            if now["state"] == "STIMULATING" and now["amplitude_ma"] == 9:
                return
            time.sleep(0.01)
    pytest.skip("this machine stands still again and again")


@pytest.mark.slow
@pytest.mark.parametrize("press", ["pointer", "Enter", "Escape"])
def test_the_page_follows_and_stops(press: str, rig: Rig, page: Any) -> None:
    to_mid_train(rig)
    page.reload()  # the keyboard is at the button when a page opens
    shows(page, "STIMULATING")
    assert page.inner_text("[data-show=output]") == "9.0 mA"
    assert page.inner_text("#banner").startswith("SIMULATED")
    asked_ns = time.monotonic_ns()
    if press == "pointer":
        page.click("#stop")
    else:
        page.keyboard.press(press)
    page.wait_for_selector("#answer[data-zero=yes]", timeout=SOON_MS)
    answered_ns = time.monotonic_ns()
    assert "STOPPED: the guard has the output at zero" in page.inner_text("#answer")
    shows(page, "TRIPPED")
    time.sleep(0.3)
    given_ns = [pulse.given_ns for pulse in rig.currents()]
    assert max(given_ns) < answered_ns
    assert rig.zeroed_ns(asked_ns) is not None
    assert rig.status()["state"] == "TRIPPED"
    assert page.inner_text("#trip") != "none since this monitor began"
    rig.ask("reset", operator="A")
    shows(page, "DISARMED")
    page.wait_for_selector("#answer", state="hidden", timeout=SOON_MS)  # it holds no longer


@pytest.mark.slow
def test_stop_finds_a_connection_however_often_the_page_is_open(rig: Rig, page: Any) -> None:
    """A browser has six to one server, and each page that is seen keeps one."""
    more = [page.context.new_page() for _ in range(9)]
    for one in more:
        one.goto(page.url)
    for one in (more[-1], more[0]):
        to_mid_train(rig)
        one.click("#stop")
        one.wait_for_selector("#answer[data-zero=yes]", timeout=SOON_MS)
        rig.wait_for("TRIPPED")
    for one in more:
        one.close()
    rig.ask("reset", operator="A")


@pytest.mark.slow
def test_a_page_that_is_cut_off_says_so_and_comes_back(rig: Rig, monitor: Child, page: Any) -> None:
    shows(page, "DISARMED")
    monitor.signal(signal.SIGSTOP)  # the connection stays, and says nothing
    try:
        shows(page, "NOT CONNECTED")
        assert page.inner_text("[data-show=output]") == "\u2013"
        page.keyboard.press("Escape")
        page.wait_for_function(
            "() => document.getElementById('answer').textContent.includes('NO ANSWER')",
            timeout=SOON_MS,
        )
        assert "electrode plug" in page.inner_text("#answer")
    finally:
        monitor.signal(signal.SIGCONT)
    page.wait_for_function("() => document.body.dataset.state !== 'NOT CONNECTED'", timeout=SOON_MS)
    rig.daemon.signal(signal.SIGSTOP)
    try:
        shows(page, "NOT CONNECTED")
    finally:
        rig.daemon.signal(signal.SIGCONT)
    page.wait_for_function("() => document.body.dataset.state !== 'NOT CONNECTED'", timeout=SOON_MS)


@pytest.mark.slow
def test_fifty_pages_and_its_death_disturb_nobody(rig: Rig, monitor: Child, url: str) -> None:
    at = urlsplit(url)
    pages = []
    with Witness(STALL_MS) as witness:
        began_ns = time.monotonic_ns()
        to_mid_train(rig)
        for _ in range(PAGES):
            page = socket.create_connection((at.hostname, at.port), timeout=10)
            page.sendall(f"GET /events HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
            pages.append(page)
        for _ in range(20):
            for page in pages:
                assert page.recv(65536)
        trains = rig.status()["trains"]
        rig.end(monitor)
        time.sleep(0.5)
        status = rig.status()
        for page in pages:
            page.close()
        stalls = witness.stalls(began_ns, time.monotonic_ns())
        assert status["state"] != "TRIPPED" or stalls, status["text"]
        if status["state"] != "TRIPPED":
            assert status["guard"] == "ARMED"
            assert status["trains"] >= trains
            assert status["telemetry_lost"] == 0
