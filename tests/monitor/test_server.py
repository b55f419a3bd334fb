"""`nmesd monitor` as a process: what it serves, whom it drops, and that STOP gets through."""

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from nmesd.errors import ConfigError
from nmesd.monitor import server
from nmesd.monitor.admission import is_loopback
from nmesd.monitor.pages import BROWSER, MOST_IN_BROWSER, MOST_PAGES, PARTS
from nmesd.monitor.server import MOST_CONNECTIONS, Connection, address, token_for
from tests.monitor.guard_and_daemon import StopSocket, stop_socket

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - of a test


class Monitor:
    """The process, without a daemon, and requests to it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nmesd.cli", "monitor", "--json", "--port", "0"),
                *("--control", str(folder / "control.sock"), "--guard", str(folder / "guard.sock")),
                *options,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url = urlsplit(said["url"])
        self.port = self.url.port

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(
        self, method: str, path: str, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port or 0, timeout=10)
        try:
            client.request(method, path, headers=headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def stop(self) -> tuple[int, dict[str, Any]]:
        status, _, body = self.ask("POST", "/stop", Origin=f"http://127.0.0.1:{self.port}")
        return status, json.loads(body)

    def page(self, browser: str = "") -> socket.socket:
        """An open page: the stream of states."""
        page = self.connection()
        head = f"Host: 127.0.0.1:{self.port}\r\nCookie: {BROWSER}={browser}\r\n\r\n"
        page.sendall(f"GET /events HTTP/1.1\r\n{head}".encode())
        return page

    def end(self) -> str:
        """What it said to standard error."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Monitor]]:
    made: list[Monitor] = []

    def one(*options: str) -> Monitor:
        made.append(Monitor(tmp_path, *options))
        return made[-1]

    yield one
    for monitor in made:
        monitor.end()


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[StopSocket]:
    with stop_socket(tmp_path) as guard:
        yield guard


def heard(page: socket.socket) -> bytes:
    page.settimeout(10)
    with contextlib.suppress(ConnectionError):
        return page.recv(4096)
    return b""


def test_it_serves_the_page_and_its_parts_and_nothing_else(make: Callable[..., Monitor]) -> None:
    monitor = make()
    status, headers, body = monitor.ask("GET", "/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    for name, kind in PARTS.items():
        status, headers, part = monitor.ask("GET", f"/{name}")
        assert (status, headers.get_content_type(), bool(part)) == (200, kind, True)
        assert name == "index.html" or f'"/{name}"'.encode() in body
    assert b"http" not in body  # nothing from elsewhere: a clinic has no internet
    for path in ("/nothing", "/../server.py", "/%2e%2e/server.py", "/uPlot.LICENSE"):
        assert monitor.ask("GET", path)[0] == 404
    assert monitor.ask("GET", "/stop")[0] == 404  # pressed by a POST alone


def test_without_a_daemon_it_says_so_and_stops_all_the_same(
    make: Callable[..., Monitor], guard: StopSocket
) -> None:
    monitor = make()
    with monitor.page() as page:
        said = b""
        while b"NOT CONNECTED" not in said:
            more = heard(page)
            assert more
            said += more
    assert monitor.stop() == (
        200,
        {"zero": True, "text": "STOPPED: the guard has the output at zero"},
    )
    assert len(guard.stops) == 1


def test_without_a_guard_stop_says_what_to_do(make: Callable[..., Monitor]) -> None:
    status, said = make().stop()
    assert (status, said["zero"]) == (502, False)
    assert "pull the electrode plug" in said["text"]


def test_of_too_many_pages_the_last_is_told_so(make: Callable[..., Monitor]) -> None:
    monitor = make()
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_PAGES):
            assert b"200 OK" in heard(stack.enter_context(monitor.page()))
        last = stack.enter_context(monitor.page())
        assert b"503" in heard(last)
    until_s = time.monotonic() + 10  # those that went leave their places
    answer = b""
    while b"200 OK" not in answer:
        assert time.monotonic() < until_s
        with monitor.page() as page:
            answer = heard(page)


def test_pages_of_one_browser_leave_it_connections_for_stop(make: Callable[..., Monitor]) -> None:
    monitor = make()
    _, headers, _ = monitor.ask("GET", "/")
    browser = headers["set-cookie"].partition(";")[0].removeprefix(f"{BROWSER}=")
    assert browser
    assert "set-cookie" not in monitor.ask("GET", "/", Cookie=f"{BROWSER}={browser}")[1]
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_IN_BROWSER):
            assert b"200 OK" in heard(stack.enter_context(monitor.page(browser)))
        assert b"503" in heard(stack.enter_context(monitor.page(browser)))
        assert b"200 OK" in heard(stack.enter_context(monitor.page("another")))


def test_silent_connections_make_way_for_stop(
    make: Callable[..., Monitor], guard: StopSocket
) -> None:
    monitor = make()
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(monitor.page())
        assert b"200 OK" in heard(page)
        silent = [stack.enter_context(monitor.connection()) for _ in range(2 * MOST_CONNECTIONS)]
        assert monitor.stop()[0] == 200
        assert heard(silent[0]) == b""  # the oldest went
        assert heard(page)  # an open page did not
    assert len(guard.stops) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0\xff" * 40_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
        b"POST /stop HTTP/9.9\r\n\r\n",
        b"\r\n" * 1000,
    ],
    ids=["bytes", "long header", "version", "empty lines"],
)
def test_nonsense_is_sent_away_without_a_word_to_the_log(
    nonsense: bytes, make: Callable[..., Monitor], guard: StopSocket
) -> None:
    monitor = make()
    with monitor.connection() as client, contextlib.suppress(ConnectionError):
        client.sendall(nonsense)
        client.shutdown(socket.SHUT_WR)
        assert b"200" not in heard(client)
    assert monitor.stop()[0] == 200
    assert len(guard.stops) == 1
    assert monitor.end() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_pages_open(number: signal.Signals, make: Callable[..., Monitor]) -> None:
    monitor = make()
    with monitor.page() as page:
        assert b"200 OK" in heard(page)
        monitor.process.send_signal(number)
        assert monitor.end() == ""


def test_a_token_is_demanded_beyond_this_machine(
    tmp_path: Path, make: Callable[..., Monitor], guard: StopSocket
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    monitor = make("--token-file", str(file))
    assert monitor.url.query == f"token={TOKEN}"
    for method, path in (
        ("GET", "/"),
        ("GET", "/events"),
        ("GET", "/monitor.js"),
        ("POST", "/stop"),
    ):
        assert monitor.ask(method, path, Origin=f"http://127.0.0.1:{monitor.port}")[0] == 401
    assert guard.stops == []
    status, headers, _ = monitor.ask("GET", f"/?{monitor.url.query}")
    assert status == 303
    cookie = headers["set-cookie"].partition(";")[0]
    assert monitor.ask("GET", "/", Cookie=cookie)[0] == 200
    origin = f"http://127.0.0.1:{monitor.port}"
    assert monitor.ask("POST", "/stop", Cookie=cookie, Origin=origin)[0] == 200
    assert len(guard.stops) == 1


async def test_a_page_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOW_S", 0.2)
    sent = 0

    async def pours(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while state.connections:
            await send({"type": "http.response.body", "body": b"x" * 4096, "more_body": True})
            sent += 1
            await asyncio.sleep(0)

    config = uvicorn.Config(pours, lifespan="off", log_config=None, log_level="critical")
    state = ServerState()
    listener = server.listening("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    serving = await loop.create_server(lambda: Connection(config, state, {}), sock=listener)
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if sent and not state.connections:
                break
        assert not state.connections
        assert sent * 4096 < 8_000_000  # what the kernel holds for it, and no more
    while state.tasks:  # noqa: ASYNC110 - its last step
        await asyncio.sleep(0.01)
    serving.close()
    await serving.wait_closed()


# ---- addresses and tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("unit7", False), ("", False),  # noqa: S104
    ],
)  # fmt: skip
def test_only_the_loopback_device_goes_without_a_token(host: str, *, home: bool) -> None:
    assert is_loopback(host) is home
    first, second = token_for(host, None), token_for(host, None)
    assert (first == "") is home
    assert home or first != second
    assert home or len(first) >= 16


@pytest.mark.parametrize(
    "text", ["", "short", "a token with spaces in it", "x" * 20 + "\nmore", "\u00e9" * 20]
)
def test_a_poor_token_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigError, match="at least 16 letters"):
        token_for("127.0.0.1", file)
    with pytest.raises(ConfigError, match="put a token"):
        token_for("127.0.0.1", tmp_path / "none")


def test_the_address_can_be_opened() -> None:
    assert address("127.0.0.1", 8780, "") == "http://127.0.0.1:8780/"
    assert address("::1", 8780, TOKEN) == f"http://[::1]:8780/?token={TOKEN}"
    assert address("0.0.0.0", 80, "").endswith(f"{socket.gethostname()}:80/")  # noqa: S104


def test_a_port_in_use_is_told_with_what_to_do(make: Callable[..., Monitor]) -> None:
    port = make().port
    assert port is not None
    with pytest.raises(ConfigError, match=f"port {port}.*choose another --port"):
        server.listening("127.0.0.1", port)
