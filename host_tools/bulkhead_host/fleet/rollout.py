"""Takes new code to a fleet in waves, looks whether it is healthy there, stops and goes back.

What is to be done is found out anew from the boards each time: a run that was broken off, or
stopped and mended, is gone on with by running it again. What each board came to is kept at the
broker too, signed, so that going back later knows whom an earlier run has changed.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.fleet.files import Check, Rollout
from bulkhead_host.fleet.hub import Hub
from bulkhead_host.fleet.presence import GONE
from bulkhead_host.image.changes import application_for, bundles, changed, listed_on
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import Hello, Table, gained_ms
from bulkhead_host.link.updater import Bundle, list_code, send_update, take_back

UPDATED = "updated"
CURRENT = "current"
FAILED = "failed"
AWAY = "away"
BACK = "back"
GOOD = frozenset({UPDATED, CURRENT})

_GONE_S = 1.0
_CHECK_TRIES = 3  # of a call that is not answered: the line may have lost it, or a board is busy


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one board came to. `services` have new code by this rollout, for going back."""

    board: str
    state: str
    detail: str = ""
    services: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a rollout came to: the boards of each wave that was begun, and why it ended."""

    name: str
    waves: tuple[tuple[Outcome, ...], ...]
    waves_planned: int
    ended: str
    seconds: float = 0.0
    went_back: tuple[Outcome, ...] = ()

    @property
    def is_good(self) -> bool:
        """Tell whether every wave was good."""
        return self.ended == "done"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass
class _Before:
    """How a board was when it had the new code: what it has to be still."""

    hello: Hello
    table: Table
    at_s: float


@dataclass
class _Run:
    rollout: Rollout
    hub: Hub
    key: bytes
    tell: Callable[[str], None]
    kept: dict[str, Any]
    code: "_Code" = field(init=False)

    def __post_init__(self) -> None:
        self.code = _Code(self.rollout, self.key)


def roll_out(
    rollout: Rollout, hub: Hub, *, key: bytes, tell: Callable[[str], None] = lambda _text: None
) -> Report:
    """Do a rollout, from where it stands. `tell` gets a sentence for each thing that happens."""
    began_s = time.monotonic()
    run = _Run(rollout=rollout, hub=hub, key=key, tell=tell, kept=hub.kept(rollout.name))
    waves: list[tuple[Outcome, ...]] = []
    back: tuple[Outcome, ...] = ()
    ended = "done"
    for number, wave in enumerate(rollout.waves, 1):
        outcomes = _wave(run, number, wave)
        waves.append(outcomes)
        failed = sum(one.state == FAILED for one in outcomes)
        goes_back = failed > rollout.back_above and rollout.back != "none"
        if goes_back:
            begun = waves[-1:] if rollout.back == "wave" else waves
            back = _go_back(run, [one for some in begun for one in some])
        if goes_back or failed > rollout.stop_above:
            ended = f"stopped in wave {number}: {failed} of {len(wave)} failed"
            break
    tell(ended)
    return Report(
        name=rollout.name,
        waves=tuple(waves),
        waves_planned=len(rollout.waves),
        ended=ended,
        seconds=time.monotonic() - began_s,
        went_back=back,
    )


def _wave(run: _Run, number: int, wave: Sequence[str]) -> tuple[Outcome, ...]:
    """Update the boards of a wave, look at them for a while, and return what they came to."""
    run.tell(f"wave {number}: {len(wave)} boards")
    befores: dict[str, _Before] = {}
    outcomes = run.hub.each(wave, lambda board: _update(run, board, befores))
    if befores:
        run.tell(f"wave {number}: looking at {len(befores)} boards for {run.rollout.soak_s:g} s")
        last_s = max(before.at_s for before in befores.values())
        time.sleep(max(0.0, last_s + run.rollout.soak_s - time.monotonic()))
    outcomes = run.hub.each(
        outcomes, lambda one: _judged(run, one, befores[one.board]) if one.state in GOOD else one
    )
    for one in outcomes:
        detail = f": {one.detail}" if one.detail else ""
        run.tell(f"wave {number}: {one.board} {one.state}{detail}")
    _keep(run, outcomes)
    return tuple(outcomes)


def _update(run: _Run, board: str, befores: dict[str, _Before]) -> Outcome:
    """Bring one board to the code of the rollout, unless it has that."""
    began_s = time.monotonic()
    earlier = tuple(run.kept.get(board, {}).get("services", ()))
    outcome = Outcome(board=board, state=CURRENT, services=earlier)
    try:
        with run.hub.client(board) as client:
            hello = _hello(run, client, board)
            sent = run.code.for_board(client, hello)
            if sent:
                names = tuple(dict.fromkeys((*earlier, *(bundle.name for bundle in sent))))
                send_update(client, sent, probation_ms=round(run.rollout.probation_s * 1000))
                outcome = replace(outcome, state=UPDATED, services=names)
            hello, table = client.hello(), client.table()
            befores[board] = _Before(hello=hello, table=table, at_s=time.monotonic())
    except DeviceTimeout as error:
        outcome = replace(outcome, state=AWAY, detail=error.cause)
    except BulkheadError as error:
        outcome = replace(outcome, state=FAILED, detail=error.cause)
    return replace(outcome, seconds=round(time.monotonic() - began_s, 3))


def _hello(run: _Run, client: Client, board: str) -> Hello:
    """Return who answers. Of whom the broker says that it is gone nobody expects much."""
    (presence,) = run.hub.presences([board])
    with client.waiting(_GONE_S) if presence.state == GONE else nullcontext():
        return client.hello()


def _judged(run: _Run, outcome: Outcome, before: _Before) -> Outcome:
    """Return what a board came to, looked at again: healthy, or why not."""
    try:
        with run.hub.client(outcome.board) as client:
            problem = unhealthy(client, before.hello, before.table) or next(
                filter(None, (failed_check(client, check) for check in run.rollout.checks)), ""
            )
    except DeviceTimeout:
        problem = "it does not answer any more"
    except BulkheadError as error:
        problem = error.cause
    return replace(outcome, state=FAILED, detail=problem) if problem else outcome


def unhealthy(client: Client, hello: Hello, before: Table) -> str:
    """Tell what is wrong with a board that was well: another boot, or faults since."""
    table = client.table()
    if gained_ms(hello.uptime_ms, table.uptime_ms) < 0:
        return "it has booted anew"
    for service in table.services:
        earlier = before.named(service.name)
        if earlier is not None and service.restarts > earlier.restarts:
            return f"{service.name} has failed: {service.fault or 'it was started again'}"
        if service.state in ("faulted", "degraded", "ended") and not service.is_done:
            return f"{service.name} is {service.state}"
    return ""


def failed_check(client: Client, check: Check) -> str:
    """Tell why a board does not pass a check; the empty text where it does."""
    argument = tuple(check.argument) if isinstance(check.argument, list) else check.argument
    for left in range(_CHECK_TRIES - 1, -1, -1):
        try:
            status, value = client.call(
                check.service, check.operation, argument, timeout_ms=check.timeout_ms
            )
        except DeviceTimeout:
            if not left:
                raise
            continue
        if status != abi.TIMEOUT:
            break
    expected = tuple(check.value) if isinstance(check.value, list) else check.value
    if status != check.status or (check.value is not None and value != expected):
        return f"{check.service} answered {status}, {value!r} to a check"
    return ""


def _go_back(run: _Run, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Have the boards that have new code use the old one again."""
    changed_ones = [one for one in outcomes if one.services and one.state != AWAY]
    run.tell(f"going back on {len(changed_ones)} boards")

    def back(one: Outcome) -> Outcome:
        try:
            with run.hub.client(one.board) as client:
                names = [code.name for code in list_code(client, one.services) if code.slot != "-"]
                if names:
                    probation_ms = round(run.rollout.probation_s * 1000)
                    take_back(client, names, probation_ms=probation_ms)
        except BulkheadError as error:
            return replace(one, state=FAILED, detail=f"not taken back: {error.cause}")
        return replace(one, state=BACK, services=(), detail="")

    done = tuple(run.hub.each(changed_ones, back))
    for one in done:
        run.tell(f"{one.board} {one.state}{': ' if one.detail else ''}{one.detail}")
    _keep(run, done)
    return done


def _keep(run: _Run, outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        run.kept[one.board] = {"state": one.state, "services": list(one.services)}
    run.hub.keep(run.rollout.name, run.kept)


class _Code:
    """The code of a rollout, compiled and signed once for each kind of board and choice."""

    def __init__(self, rollout: Rollout, key: bytes) -> None:
        self._rollout = rollout
        self._key = key
        self._lock = threading.Lock()
        self._applications: dict[str, Any] = {}
        self._bundles: dict[tuple[str, tuple[str, ...]], list[Bundle]] = {}

    def for_board(self, client: Client, hello: Hello) -> Sequence[Bundle]:
        """Return what a board has not got yet. Raises `BulkheadError` for another application."""
        with self._lock:
            if hello.board not in self._applications:
                found = application_for(hello, self._rollout.application)
                self._applications[hello.board] = found
            application, board = self._applications[hello.board]
        if application.name != hello.application:
            raise BulkheadError(f"it runs {hello.application}, not {application.name}")
        listed = listed_on(client, application)
        with self._lock:
            wanted = changed(application, listed)
            names = tuple(
                name
                for name in wanted
                if not self._rollout.services or name in self._rollout.services
            )
            made = self._bundles.get((hello.board, names))
            if made is None:
                made = bundles(application, board, names, self._key)
                self._bundles[hello.board, names] = made
        return made


def totals(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    """Return how many boards came to what."""
    return {state: sum(one.state == state for one in outcomes) for state in _STATES}


_STATES = (UPDATED, CURRENT, FAILED, AWAY, BACK)
