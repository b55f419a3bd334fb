"""The page and its parts, the stream of states, and the button."""

from __future__ import annotations

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
        self._open = 0
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
        return Response(self._parts[name], media_type=PARTS[name])

    async def _events(self, _: Request) -> Response:
        if self._open >= MOST_PAGES:
            return PlainTextResponse(f"{MOST_PAGES} pages are open already: close some\n", 503)
        return StreamingResponse(self._states(), media_type="text/event-stream")

    async def _states(self) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield RETRY
            while not self._ended:
                yield self._source.message()
                await self._source.news(SILENT_S)
        finally:
            self._open -= 1

    async def _stop(self, _: Request) -> Response:
        """The guard's answer at once; the daemon is told after it."""
        stopped = await self._stopper.press()
        tell = BackgroundTask(self._stopper.tell_daemon)
        return JSONResponse(stopped._asdict(), 200 if stopped.zero else 502, background=tell)
