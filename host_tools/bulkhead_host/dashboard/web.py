"""The pages and requests of the dashboard, as a Starlette application.

Only who has the token gets anything: the link that `bulkhead dashboard` prints has it, the answer
to it is a cookie that other sites' pages cannot use, what comes from another origin is refused,
and what changes the board takes JSON besides, which they cannot send unasked. Hosts other than
the loopback's are refused, whatever their name resolves to.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
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
from bulkhead_host.dashboard.hub import ANSWER_TIMEOUT_S, Event, Hub
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.log import parse_line
from bulkhead_host.link.pace import SLOWEST
from bulkhead_host.link.recording import Recording, record
from bulkhead_host.view.story import Operations, Story, story

COOKIE = "bulkhead_dashboard"
KINDS = tuple(name for name in abi.INJECTION_NAMES if name)
VERBS = ("hold", "release", "restart")
TRACE_SECONDS_MAX = 5.0

_PAGE = Path(__file__).parent / "page"
_FILES = ("index.html", "dashboard.css", "dashboard.js", "draw.js", "trace.js")
_EVENTS_WAITING_MAX = 256
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Lookup = Callable[[Sequence[str]], Operations]
Handler = Callable[[Request], Awaitable[Response]]


def no_operations(_names: Sequence[str]) -> Operations:
    """Return no names: operations go by their numbers."""
    return {}


def application(hub: Hub, *, token: str, operations: Lookup = no_operations) -> Starlette:
    """Return the application that shows what `hub` hears to who has `token`.

    `operations` tells how the operations of the named services are called.
    """

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

    routes = [
        Route("/", enter),
        *(Route(f"/{name}", guarded(_file(name))) for name in _FILES),
        Route("/events", guarded(events)),
        Route("/act", guarded(partial(_act, hub)), methods=["POST"]),
        Route("/trace", guarded(partial(_trace, hub, operations))),
        Route("/fault", guarded(partial(_fault, hub))),
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


async def _fault(hub: Hub, request: Request) -> Response:
    """Return the text of the newest fault of `?service=`, empty where none is kept."""
    name = request.query_params.get("service", "")

    def read(client: Client) -> str:
        try:
            return client.fault_text(name)
        except NoSuchTarget:
            return ""

    try:
        return JSONResponse({"text": await run_in_threadpool(hub.ask, read)})
    except BulkheadError as error:
        return _refusal(error.cause, 409, error.next_step or "")


async def _trace(hub: Hub, operations: Lookup, request: Request) -> Response:
    """Return a trace of `?seconds=` as the page draws it."""
    try:
        seconds = float(request.query_params.get("seconds", "1"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= TRACE_SECONDS_MAX:
        return _refusal(f"seconds is a number from 0 to {TRACE_SECONDS_MAX:g}", 400)

    def take(client: Client) -> Recording:
        found = record(client, seconds=seconds)
        lines = (parse_line(line) for line in hub.lines)
        return replace(found, lines=tuple(line for line in lines if line is not None))

    within_s = ANSWER_TIMEOUT_S + seconds / SLOWEST  # of a board that is slower than real time
    try:
        found = await run_in_threadpool(partial(hub.ask, take, timeout_s=within_s))
    except BulkheadError as error:
        return _refusal(error.cause, 409, error.next_step or "")
    told = story(found, operations=operations(found.trace.names))
    return JSONResponse({**_drawn(told), "lost": found.trace.lost})


def _drawn(told: Story) -> dict[str, Any]:
    """Return a story in plain values: microseconds, and tasks by number, 0 the kernel."""
    shown = told.shown
    return {
        "names": list(shown.names),
        "priorities": dict(told.priorities),
        "slices": [[one.task, one.name, one.start_us, one.end_us] for one in shown.slices],
        "waits": [[one.task, one.name, one.start_us, one.end_us] for one in told.waits],
        "instants": [[one.task, one.name, one.time_us] for one in shown.instants],
        "lines": [[one.task, one.name, one.time_us] for one in told.lines],
        "arrows": [
            [one.call.task, one.call.end_us, one.reply.task, one.reply.end_us]
            for one in shown.arrows
        ],
    }
