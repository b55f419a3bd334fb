"""Who is let in: by name at home, by token beyond; and no other site presses the button."""

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from nmesd.monitor.admission import Admission

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - of a test
COOKIE = "nmesd-8780"
HOST = "unit7:8780"


def app(token: str = "") -> Admission:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.method)

    routes = [Route(path, answer, methods=["GET", "POST"]) for path in ("/", "/events", "/stop")]
    return Admission(Starlette(routes=routes), token, COOKIE)


async def ask(
    at: Admission, method: str = "GET", target: str = "/", **headers: str
) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer. Keyword host="" sends none."""
    path, _, query = target.partition("?")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "localhost:8780", **headers}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()], "root_path": "",
        "scheme": "http", "server": ("127.0.0.1", 8780), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await at(scope, receive, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8780", 200), ("127.0.0.1:8780", 200), ("[::1]:8780", 200), ("LOCALHOST", 200),
        ("127.0.0.2", 200),
        ("evil.example:8780", 403), ("localhost.evil.example", 403), ("", 403), ("[::1", 403),
        ("a@localhost.b", 403),
    ],
)  # fmt: skip
async def test_at_home_a_page_has_our_name(host: str, status: int) -> None:
    """A name of somebody else's that leads here (DNS rebinding) would let his page read the answers."""
    assert (await ask(app(), host=host))[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8780", 200), ("https://localhost:8780", 200),  # the latter through a proxy with TLS
        ("http://evil.example", 403), ("http://localhost:9999", 403), ("null", 403), ("", 403), ("http://[", 403),
    ],
)  # fmt: skip
async def test_only_our_own_page_presses_stop(origin: str, status: int) -> None:
    assert (await ask(app(), "POST", "/stop", origin=origin))[0] == status


async def test_a_request_without_an_origin_presses_nothing() -> None:
    assert (await ask(app(), "POST", "/stop"))[0] == 403
    assert (await ask(app(), "GET", "/stop"))[0] == 200  # the application refuses it itself


async def test_the_token_is_shown_once_and_kept_in_a_cookie() -> None:
    at = app(TOKEN)
    assert (await ask(at, host=HOST))[0] == 401
    status, headers = await ask(at, "GET", f"/?token={TOKEN}", host=HOST)
    assert (status, headers["location"]) == (303, "/")
    set_cookie = headers["set-cookie"]
    assert re.search("httponly", set_cookie, re.IGNORECASE)
    assert re.search("samesite=strict", set_cookie, re.IGNORECASE)
    cookie = set_cookie.partition(";")[0]
    assert (await ask(at, "GET", "/events", host=HOST, cookie=cookie))[0] == 200
    pressed = await ask(at, "POST", "/stop", host=HOST, cookie=cookie, origin=f"http://{HOST}")
    assert pressed[0] == 200
    pressed = await ask(at, "POST", "/stop", host=HOST, cookie=cookie, origin="http://evil.example")
    assert pressed[0] == 403


@pytest.mark.parametrize(
    ("target", "cookie"),
    [
        ("/", f"{COOKIE}=another-token-of-that-length"), ("/", f"{COOKIE}="),
        ("/", f"other={TOKEN}"), ("/", "\xe9=;;"),
        ("/", f"{COOKIE}=\xe9"), ("/?token=", ""), ("/?token=wrong", ""), ("/?token=%C3%A9", ""),
        (f"/events?token={TOKEN}", ""), (f"/stop?token={TOKEN}", ""),
    ],
)  # fmt: skip
async def test_without_the_token_nothing_is_told(target: str, cookie: str) -> None:
    for method in ("GET", "POST"):
        answer = await ask(
            app(TOKEN), method, target, host=HOST, cookie=cookie, origin=f"http://{HOST}"
        )
        assert answer[0] == 401, answer


@pytest.mark.parametrize("host", ["localhost:8780", "evil.example"])
async def test_every_answer_keeps_others_out(host: str) -> None:
    _, headers = await ask(app(), host=host)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
