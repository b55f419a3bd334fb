"""Who may see the page and press its button: this machine's own pages, or whoever has the token.

A page of another site, open in the same browser, can send requests here. It cannot read what comes back, and
what it sends carries its own name in `Origin`, or the name it was reached by in `Host`: both must be ours.
"""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHORTEST_TOKEN = 16
# Nothing from elsewhere is loaded, nobody else may frame the button, and the token leaves with no link.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Admission:
    """Around the application.

    token: what must be shown, "" on the loopback device, where the name it was reached by must be ours instead.
    cookie: its name; a browser keeps cookies by host, whatever the port.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str) -> None:
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._refusal(scope) or self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._token:
            if not is_loopback(_name(host)):
                return PlainTextResponse("this page is at localhost alone\n", 403)
        elif not self._same(_cookie(headers, self._cookie)):
            shown = QueryParams(scope["query_string"]).get("token", "")
            if scope["method"] == "GET" and scope["path"] == "/" and self._same(shown):
                answer = RedirectResponse("/", 303)  # so that it stands in no address bar
                answer.set_cookie(self._cookie, shown, httponly=True, samesite="strict")
                return answer
            return PlainTextResponse(
                "open the address with the token that `nmesd monitor` says\n", 401
            )
        if scope["method"] not in ("GET", "HEAD") and _netloc(headers.get("origin", "")) != host:
            return PlainTextResponse("this request comes from another site\n", 403)
        return None

    def _same(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), self._token.encode())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it, by this name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(host: str) -> str:
    """Without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _cookie(headers: Headers, name: str) -> str:
    try:
        return SimpleCookie(headers.get("cookie", ""))[name].value
    except (CookieError, KeyError):
        return ""
