"""The pages and requests of the dashboard, as a Starlette application.

Only who has the token gets anything: the link that `bulkhead dashboard` prints has it, the answer
to it is a cookie that other sites' pages cannot use, what comes from another origin is refused,
and what changes the board takes JSON besides, which they cannot send unasked. Hosts other than
the loopback's are refused, whatever their name resolves to.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from bulkhead_host import abi
from bulkhead_host.dashboard.hub import Event, Hub
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.trace import collect
from bulkhead_host.view.timeline import Timeline, timeline

COOKIE = "bulkhead_dashboard"
KINDS = tuple(name for name in abi.INJECTION_NAMES if name)
VERBS = ("hold", "release", "restart")
TRACE_SECONDS_MAX = 5.0

_PAGE = Path(__file__).parent / "page"
_FILES = ("index.html", "dashboard.css", "dashboard.js")
_EVENTS_WAITING_MAX = 256
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Handler = Callable[[Request], Awaitable[Response]]


def application(hub: Hub, *, token: str) -> Starlette:
    """Return the application that shows what `hub` hears to who has `token`."""

    def guarded(handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            given = request.cookies.get(COOKIE, "")
            is_known = secrets.compare_digest(given.encode(), token.encode())
            if not (is_known and _is_own(request)):
                return _refusal("open the link that bulkhead dashboard has printed", 403)
            response = await handler(request)
            response.headers.update(_HEADERS)
            return response

        return handle

    async def enter(request: Request) -> Response:
        given = request.query_params.get("token")
        if given is None:
            return await guarded(_file("index.html"))(request)
        if not secrets.compare_digest(given.encode(), token.encode()):
            return _refusal("that is the link of another run of bulkhead dashboard", 403)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    async def events(_request: Request) -> Response:
        return StreamingResponse(_stream(hub), media_type="text/event-stream")

    async def act(request: Request) -> Response:
        return await _act(hub, request)

    async def trace(request: Request) -> Response:
        return await _trace(hub, request)

    routes = [
        Route("/", enter),
        *(Route(f"/{name}", guarded(_file(name))) for name in _FILES),
        Route("/events", guarded(events)),
        Route("/act", guarded(act), methods=["POST"]),
        Route("/trace", guarded(trace)),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts])


def _file(name: str) -> Handler:
    async def handle(_request: Request) -> Response:
        return FileResponse(_PAGE / name)

    return handle


def _is_own(request: Request) -> bool:
    """Tell whether a request comes from the dashboard's own page, or from no page at all."""
    origin = request.headers.get("origin")
    return origin is None or origin == f"http://{request.headers['host']}"


def _refusal(text: str, status: int, next_step: str = "") -> Response:
    return JSONResponse({"error": text, "next_step": next_step}, status_code=status)


async def _stream(hub: Hub) -> AsyncIterator[str]:
    """Yield each event of the hub as server-sent events have it; the slow lose the oldest."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[Event] = asyncio.Queue()

    def take(event: Event) -> None:
        loop.call_soon_threadsafe(put, event)

    def put(event: Event) -> None:
        if waiting.qsize() >= _EVENTS_WAITING_MAX:
            waiting.get_nowait()
        waiting.put_nowait(event)

    put(("kinds", KINDS))
    leave = hub.listen(take)
    try:
        while True:
            name, value = await waiting.get()
            yield f"event: {name}\ndata: {json.dumps(value)}\n\n"
    finally:
        leave()


async def _act(hub: Hub, request: Request) -> Response:
    """Do what `{"service": NAME, "do": WORD}` asks for: a kind of fault, or one of VERBS."""
    if request.headers.get("content-type") != "application/json":
        return _refusal("send JSON", 415)
    try:
        wanted = await request.json()
        service, word = wanted["service"], wanted["do"]
    except (ValueError, KeyError, TypeError):
        return _refusal('send {"service": NAME, "do": WORD}', 400)
    if word not in (*KINDS, *VERBS) or not isinstance(service, str):
        return _refusal(f"there is no such thing to do: {word}", 400)

    def perform(client: Client) -> None:
        if word in VERBS:
            client.control(service, word)
        else:
            client.inject(service, word)

    try:
        await run_in_threadpool(hub.ask, perform)
    except BulkheadError as error:
        return _refusal(error.cause, 409, error.next_step or "")
    return JSONResponse({"done": f"{word}: {service}"})


async def _trace(hub: Hub, request: Request) -> Response:
    """Return a trace of `?seconds=` as the page draws it."""
    try:
        seconds = float(request.query_params.get("seconds", "1"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= TRACE_SECONDS_MAX:
        return _refusal(f"seconds is a number from 0 to {TRACE_SECONDS_MAX:g}", 400)
    try:
        found = await run_in_threadpool(hub.ask, lambda client: collect(client, seconds=seconds))
    except BulkheadError as error:
        return _refusal(error.cause, 409, error.next_step or "")
    return JSONResponse(_drawn(timeline(found)))


def _drawn(shown: Timeline) -> dict[str, Any]:
    """Return a timeline in plain values: microseconds, and tasks by number, 0 the kernel."""
    return {
        "names": list(shown.names),
        "slices": [[one.task, one.name, one.start_us, one.end_us] for one in shown.slices],
        "instants": [[one.task, one.name, one.time_us] for one in shown.instants],
        "arrows": [
            [one.call.task, one.call.end_us, one.reply.task, one.reply.end_us]
            for one in shown.arrows
        ],
    }
