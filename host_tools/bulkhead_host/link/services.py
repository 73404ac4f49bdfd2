"""What a board says of itself and its services, as plain values made from frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.link.frames import Frame

_APART_MS = 3_600_000
"""A board's clock and ours do not come apart by so much between two looks."""


@dataclass(frozen=True, kw_only=True)
class Hello:
    """Who answers. `version`, `board` and `application` are the image's own words.

    `key_mark` tells the board's key from others, in hexadecimal; empty when it has none, so that
    anybody may change what runs there. `reading_is_closed` says that reading takes the key, too.
    """

    abi: int
    services: int
    uptime_ms: int
    version: str
    board: str
    application: str
    key_mark: str = ""
    reading_is_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service at one moment.

    Smaller priorities are more important; `effective_priority` differs while a more important
    caller waits. `fault` is the kind of the last fault, `waits_for` the service whose answer or
    room in its mailbox is awaited; None where there is none. `wait_s` are the seconds, rounded up
    and at most 65,535, until its wait's deadline; 0 for one that has passed, or none. `cpu_us`
    counts modulo `abi.CPU_US_MODULUS`. `clients` wait for an answer, `queue` messages wait in the
    mailbox, `dropped` ones found it full. `memory_bytes` is the heap that the service is charged
    with. `safe_since_ms` is the uptime since which its outputs are held in their safe state; None
    where they are its own, or where it has none.
    """

    name: str
    priority: int
    effective_priority: int
    state: str
    generation: int
    fault: str | None
    restarts: int
    cpu_us: int
    steps: int
    clients: int
    queue: int
    dropped: int
    waits_for: str | None
    memory_bytes: int = 0
    wait_s: int = 0
    safe_since_ms: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has run to its end, as its manifest allows."""
        return self.state == "ended" and self.fault == "RETURNED"


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What went wrong on the line since the board's console began, each modulo 2**16.

    `damaged` frames came damaged, `refused` orders were not permitted, `replayed` ones came again
    or belonged to a session that had ended; `lost_bytes` of output and answers the host did not
    take in time.
    """

    damaged: int = 0
    refused: int = 0
    replayed: int = 0
    lost_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """All services of a board, in its own order, when that was, and how the line does."""

    services: tuple[Service, ...]
    uptime_ms: int
    losses: Losses = Losses()

    def named(self, name: str) -> Service | None:
        """Return the service of that name, or None."""
        return next((service for service in self.services if service.name == name), None)

    def find(self, name: str) -> Service:
        """Return the service of that name; raise `UsageError` that lists what there is."""
        service = self.named(name)
        if service is None:
            known = ", ".join(self.names)
            raise UsageError(f"the board has no service {name!r}", f"one of: {known}")
        return service

    @property
    def names(self) -> list[str]:
        """The names of all services."""
        return [service.name for service in self.services]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the board keeps of a service's newest fault, or of what ended the board's last run.

    Services go by their number from 1 in start order, 0 is the board itself. `state` is what the
    service was in; `operation` what its last trap had given it, a message's operation or a
    status; `client` whom it served and `peer` whom it waited for, 0 for nobody.
    """

    task: int
    kind: int
    state: str
    operation: int
    client: int
    peer: int
    generation: int
    uptime_ms: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a board has left, in bytes: of its heap after a collection, of its file system.

    `files` is 0 where there is no file system. `reset_cause` is why the chip was reset, in the
    numbers of `machine.reset_cause()`; 0 where nobody knows.
    """

    heap_free: int
    heap: int
    files_free: int
    files: int
    reset_cause: int


def parse_room(payload: bytes) -> Room:
    """Return what is in `abi.ROOM_STRUCT`. Raise `BulkheadError` if it is short."""
    heap_free, heap, files_free, files, cause = abi.ROOM_STRUCT.unpack(
        split(payload, abi.ROOM_STRUCT.size)[0]
    )
    return Room(
        heap_free=heap_free, heap=heap, files_free=files_free, files=files, reset_cause=cause
    )


@dataclass(frozen=True, kw_only=True)
class Capability:
    """A slot of a service's table that is in use.

    `task` is the number of the service it reaches, 0 for the kernel, None for an interrupt line;
    `rights` the sum of `abi.MAY_...`; `uses` the traps made through it, modulo 2**30.
    `generation` is the incarnation it names, 0 when it was revoked.
    """

    task: int | None
    rights: int
    generation: int
    badge: int
    uses: int


def parse_capabilities(payload: bytes) -> tuple[Capability, ...]:
    """Return what records in `terms.CAPABILITY_FORMAT` say, without free slots."""
    whole = len(payload) - len(payload) % abi.CAPABILITY_STRUCT.size
    return tuple(
        Capability(
            task=None if task == abi.NO_TASK else task,
            rights=rights,
            generation=generation,
            badge=badge,
            uses=uses,
        )
        for task, rights, generation, badge, uses in abi.CAPABILITY_STRUCT.iter_unpack(
            payload[:whole]
        )
        if rights
    )


def parse_trace(payload: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return the position of the first record of a piece of the trace, and time and what of each.

    Raises `BulkheadError` when the piece is malformed.
    """
    fixed, rest = split(payload, abi.POSITION_STRUCT.size)
    (first,) = abi.POSITION_STRUCT.unpack(fixed)
    whole = len(rest) - len(rest) % abi.TRACE_STRUCT.size
    return first, [(now, what) for now, what in abi.TRACE_STRUCT.iter_unpack(rest[:whole])]


def gained_ms(before_ms: int, after_ms: int) -> int:
    """Return how far a board's uptime has come on, negative where it went back.

    It comes round after 12.4 days, so half of that is the most that can be told; what seems more
    is less than none.
    """
    half = abi.UPTIME_MS_MODULUS // 2
    return (after_ms - before_ms + half) % abi.UPTIME_MS_MODULUS - half


def is_another_run(before_ms: int, after_ms: int, passed_ms: float, boot_ms: float) -> bool:
    """Tell whether a board has booted between two uptimes that are `passed_ms` apart.

    Then it has gained less than has passed, by what a boot takes at least; or, as it seems of one
    that was up for more than six days, far more.
    """
    gained = gained_ms(before_ms, after_ms)
    was_long_up = before_ms >= abi.UPTIME_MS_MODULUS // 2
    return gained < passed_ms - boot_ms or (was_long_up and gained > passed_ms + _APART_MS)


def parse_fault(payload: bytes) -> Fault:
    """Return what a record in `terms.FAULT_FORMAT` says. Raise `BulkheadError` if it is short."""
    fixed, _ = split(payload, abi.FAULT_STRUCT.size)
    task, kind, state, operation, client, peer, generation, uptime_ms = abi.FAULT_STRUCT.unpack(
        fixed
    )
    return Fault(
        task=task,
        kind=kind,
        state=_word(abi.STATE_NAMES, state),
        operation=operation,
        client=client,
        peer=peer,
        generation=generation,
        uptime_ms=uptime_ms,
    )


def parse_hello(frame: Frame) -> Hello:
    """Return what a HELLO_IS frame says. Raise `BulkheadError` when it is malformed."""
    fixed, strings = split(frame.payload, abi.HELLO_STRUCT.size)
    texts = [_text(part) for part in strings.split(b"\0")]
    number, services, uptime_ms, access, mark = abi.HELLO_STRUCT.unpack(fixed)
    version, board, application = (*texts, "", "", "")[:3]
    return Hello(
        abi=number,
        services=services,
        uptime_ms=uptime_ms,
        version=version,
        board=board,
        application=application,
        key_mark=mark.hex() if access & abi.HAS_KEY else "",
        reading_is_closed=bool(access & abi.READING_CLOSED),
    )


def parse_table(frames: Sequence[Frame]) -> Table | None:
    """Return the table that SERVICE frames and their END make; None when one of them is lost.

    Raises `BulkheadError` when a frame is malformed.
    """
    fixed, _ = split(frames[-1].payload, abi.END_STRUCT.size)
    count, uptime_ms, damaged, refused, replayed, lost_bytes = abi.END_STRUCT.unpack(fixed)
    rows = [row for frame in frames[:-1] for row in _rows(frame.payload)]
    if count != len(rows):
        return None
    names = {row.task: row.name for row in rows}
    return Table(
        services=tuple(row.service(names) for row in rows),
        uptime_ms=uptime_ms,
        losses=Losses(damaged=damaged, refused=refused, replayed=replayed, lost_bytes=lost_bytes),
    )


def _rows(payload: bytes) -> Iterator["_Row"]:
    while payload:
        size = payload[0]
        row, payload = split(payload, max(size, 1))
        yield _Row(*split(row[1:], abi.SERVICE_STRUCT.size))


class _Row:
    """A row of a SERVICE frame, its task numbers not yet turned into names."""

    def __init__(self, fixed: bytes, name: bytes) -> None:
        self._fields = abi.SERVICE_STRUCT.unpack(fixed)
        self.task: int = self._fields[0]
        self.name = _text(name.removesuffix(b"\0"))

    def service(self, names: dict[int, str]) -> Service:
        _, state, base, effective, fault, clients, queue, *rest = self._fields
        generation, wait_s, cpu_us, steps, dropped, peer, memory_bytes, held, restarts = rest
        return Service(
            name=self.name,
            priority=base,
            effective_priority=effective,
            state=_word(abi.STATE_NAMES, state),
            generation=generation,
            fault=_word(abi.FAULT_NAMES, fault) or None,
            restarts=restarts,
            cpu_us=cpu_us,
            steps=steps,
            clients=clients,
            queue=queue,
            dropped=dropped,
            waits_for=names.get(peer, f"task {peer}") if peer else None,
            memory_bytes=memory_bytes,
            wait_s=wait_s,
            safe_since_ms=held - 1 if held else None,
        )


def split(payload: bytes, size: int) -> tuple[bytes, bytes]:
    """Return the fixed part of an answer, and the rest; raise `BulkheadError` when it is short."""
    if len(payload) < size:
        raise malformed(f"{len(payload)} bytes where at least {size} were due")
    return payload[:size], payload[size:]


def parse_result(payload: bytes) -> tuple[int, object]:
    """Return the status and the value of a RESULT; raise `BulkheadError` when it is none."""
    status, value = split(payload, 1)
    try:
        return status[0], abi.decode_value(value)
    except (ValueError, LookupError) as error:
        raise malformed(f"what is no message's value: {error}") from error


def malformed(what: str) -> BulkheadError:
    """Return the error for an answer that is none of this version's."""
    return BulkheadError(
        f"the board sent {what}",
        "flash an image of this tool's version: bulkhead build, bulkhead flash",
    )


def _word(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else str(index)


def printable(text: str, kept: str = "\n\t") -> str:
    """Return text that a terminal can be given: control characters but those `kept` replaced."""
    return "".join(letter if letter.isprintable() or letter in kept else "?" for letter in text)


def _text(raw: bytes) -> str:
    return printable(raw.decode("utf-8", errors="replace"), kept="")


def refusal(status: int, why: str) -> tuple[str, str]:
    """Return cause and next step of a refusal of the updater, `why` in its own words."""
    if status == abi.UPDATE_HELD:
        return f"the board refused: {why}", "release it first: h in bulkhead top"
    if why:
        return f"the board refused: {why}", "bulkhead update --list shows what it has"
    if status == abi.UPDATE_BUSY:
        return "an update is on trial on the board", "wait until it ends: bulkhead update --list"
    if status == abi.UNKNOWN:
        return "the board has no updater", 'add "updater" to system.start, and flash that'
    return f"the board refused: {abi.status_name(status)}", "bulkhead ps"
