"""The page and its parts, the stream of states, and the button."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from importlib.resources import files

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from nmesd.monitor.source import PERIOD_S, Source
from nmesd.monitor.stopping import Stopper

MOST_PAGES = 64  # open at once; one more is told so
# A browser has six connections to a server, and a page keeps one of them: STOP must find one that is free.
MOST_IN_BROWSER = 4
BROWSER = "nmesd-browser"  # the cookie by which a browser is known again; programs have none, nor such a limit
SILENT_S = 3 * PERIOD_S  # a page hears something at least so often, also of a daemon that hangs
RETRY = b"retry: 500\n\n"  # ms until a page that lost us comes again
PARTS = {
    "index.html": "text/html",
    "monitor.css": "text/css",
    "monitor.js": "text/javascript",
    "uPlot.iife.min.js": "text/javascript",
    "uPlot.min.css": "text/css",
}


class Pages:
    """Every open page gets the same state; none can make another wait."""

    def __init__(self, source: Source, stopper: Stopper) -> None:
        self._source, self._stopper = source, stopper
        self._open: Counter[str] = Counter()  # by browser
        self._ended = False
        folder = files("nmesd.monitor") / "page"
        self._parts = {name: (folder / name).read_bytes() for name in PARTS}
        self.app = Starlette(
            routes=[
                Route("/", self._part),
                Route("/events", self._events),
                Route("/stop", self._stop, methods=["POST"]),
                Route("/{name}", self._part),
            ]
        )

    def end(self) -> None:
        """Let every page go."""
        self._ended = True

    async def _part(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in PARTS:
            return PlainTextResponse("there is no such page\n", 404)
        answer = Response(self._parts[name], media_type=PARTS[name])
        if BROWSER not in request.cookies:
            answer.set_cookie(BROWSER, secrets.token_urlsafe(8), httponly=True, samesite="strict")
        return answer

    async def _events(self, request: Request) -> Response:
        browser = request.cookies.get(BROWSER, "")
        if self._open.total() >= MOST_PAGES or (browser and self._open[browser] >= MOST_IN_BROWSER):
            return PlainTextResponse("too many pages are open already: close some\n", 503)
        return StreamingResponse(self._states(browser), media_type="text/event-stream")

    async def _states(self, browser: str) -> AsyncIterator[bytes]:
        self._open[browser] += 1
        try:
            yield RETRY
            while not self._ended:
                yield self._source.message()
                await self._source.news(SILENT_S)
        finally:
            self._open[browser] -= 1
            self._open += Counter()  # forgets those that have none left

    async def _stop(self, _: Request) -> Response:
        """The guard's answer at once; the daemon is told after it."""
        stopped = await self._stopper.press()
        tell = BackgroundTask(self._stopper.tell_daemon)
        return JSONResponse(stopped._asdict(), 200 if stopped.zero else 502, background=tell)
