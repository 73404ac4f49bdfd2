"""A board that answers the link as the console service does, for the host tools' own tests.

`FakeBoard` is the protocol alone; `FakeLine` is a line to it whose clock jumps; `served` puts
one behind a real pseudo-terminal.
"""

import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bulkhead_host import abi
from bulkhead_host.link.frames import Frame, FrameParser
from bulkhead_host.link.pace import SLOWEST
from bulkhead_host.link.transport import LinkLost

NAMES = ("supervisor", "logger", "console", "led", "button", "thermometer", "blink", "crasher")
HEAP_BYTES = 200_000
FILES_BYTES = (1_000_000, 1_441_792)
"""Of the file system: those that are free, and all."""


@dataclass
class FakeService:
    """A service's row, the figures that a test cares about."""

    name: str
    priority: int
    state: int = abi.STATE_NAMES.index("receiving")
    effective_priority: int | None = None
    generation: int = 1
    fault: int = 0
    restarts: int = 0
    cpu_us: int = 1000
    clients: int = 0
    peer: int = 0
    wait_s: int = 0
    held: int = 0

    def payload(self, task: int) -> bytes:
        effective = self.priority if self.effective_priority is None else self.effective_priority
        head = (task, self.state, self.priority, effective, self.fault, self.clients, 0)
        tail = (self.wait_s, self.cpu_us, 10 * task, 0, self.peer, 0, self.held, self.restarts)
        row = abi.SERVICE_STRUCT.pack(*head, self.generation, *tail) + self.name.encode()
        return bytes([len(row) + 1]) + row


def default_services() -> list[FakeService]:
    return [FakeService(name, number) for number, name in enumerate(NAMES)]


@dataclass
class FakeBoard:
    """Answers requests; when served, it says `chatter` all the time, and its clock may be ticking.

    `lose` is asked for each line that goes out, and may damage or drop it; `twist` for each
    answer's kind and payload, before it is sealed.
    """

    services: list[FakeService] = field(default_factory=default_services)
    uptime_ms: int = 5000
    abi: int = abi.ABI
    is_at_repl: bool = False
    is_deaf: bool = False
    lose: Callable[[bytes], bytes] = lambda line: line
    twist: Callable[[int, bytes], tuple[int, bytes]] = lambda kind, payload: (kind, payload)
    received: bytearray = field(default_factory=bytearray)
    requests: list[Frame] = field(default_factory=list)
    injections: list[tuple[str, str]] = field(default_factory=list)
    controls: list[tuple[str, str]] = field(default_factory=list)
    tracebacks: dict[str, str] = field(default_factory=dict)
    faults: dict[str, tuple[int, ...]] = field(default_factory=dict)
    trace: list[tuple[int, int]] = field(default_factory=list)
    capabilities: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    watch: tuple[int, int] | None = None
    key: bytes = bytes(32)
    is_closed: bool = False
    calls: list[tuple[str, int, object]] = field(default_factory=list)
    answers: dict[tuple[str, int], tuple[int, object]] = field(default_factory=dict)
    chatter: bytes = b""
    is_ticking: bool = False
    heap_free: int = 100_000
    kept_log: list[str] = field(default_factory=list)
    _parser: FrameParser = field(default_factory=FrameParser)
    _gate: Any = None
    _watch_answers: Any = None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all sessions, as a board does that is reset."""
        self._gate = abi.Gate(self.key, self.is_closed)

    def take(self, data: bytes) -> bytes:
        """Take what the host sends and return what the board says to it."""
        self.received += data
        if self.is_deaf:
            return b""
        if self.is_at_repl:
            return data.replace(abi.MARK, b"").replace(b"\n", b"")
        answer = b""
        for item in self._parser.feed(data):
            if isinstance(item, Frame):
                self.requests.append(item)
                answer += self._answer(item)
        return answer

    def table(self, sequence: int) -> bytes:
        rows = [
            self._line(abi.SERVICE, sequence, service.payload(task))
            for task, service in enumerate(self.services, 1)
        ]
        losses = (self._parser.damaged_frames, self._gate.refused, self._gate.replayed, 0)
        end = abi.END_STRUCT.pack(len(self.services), self.uptime_ms, *losses)
        return b"".join([*rows, self._line(abi.END, sequence, end)])

    def watched_table(self, sequence: int) -> bytes:
        """Return the table that a watch is sent, sealed where it was ordered."""
        self._gate.answers = self._watch_answers
        return self.table(sequence)

    def _answer(self, frame: Frame) -> bytes:
        self._gate.answers = None
        if frame.kind == abi.ORDER:
            request = self._gate.admit(frame.payload)
            if isinstance(request, int):
                refusal = self._gate.refusal(request, frame.payload)
                return self._line(abi.STATUS, frame.sequence, refusal)
            return self._do(Frame(request[0], frame.sequence, request[1:]))
        is_open = frame.kind in abi.READING and not self.is_closed
        if is_open or frame.kind in (abi.HELLO, abi.CHALLENGE):
            return self._do(frame)
        return self._line(abi.STATUS, frame.sequence, bytes([abi.NO_SESSION]))

    def _do(self, frame: Frame) -> bytes:
        if frame.kind == abi.CHALLENGE:
            opened = self._gate.open(frame.payload, os.urandom(abi.NONCE_BYTES))
            return self._line(abi.CHALLENGE_IS, frame.sequence, opened)
        if frame.kind == abi.HELLO:
            access = (self._gate.access, self._gate.mark)
            head = abi.HELLO_STRUCT.pack(self.abi, len(self.services), self.uptime_ms, *access)
            return self._line(abi.HELLO_IS, frame.sequence, head + b"0.1.0\0pico\0demo\0")
        if frame.kind in (abi.TABLE, abi.WATCH):
            if frame.kind == abi.WATCH:
                interval_ms, _ = abi.WATCH_STRUCT.unpack(frame.payload)
                self.watch = (frame.sequence, interval_ms)
                self._watch_answers = self._gate.answers
            return self.table(frame.sequence)
        if frame.kind in (abi.INJECT, abi.CONTROL):
            act = self._inject if frame.kind == abi.INJECT else self._control
            status = act(frame.payload[1:].decode(), frame.payload[0])
            return self._line(abi.STATUS, frame.sequence, bytes([status]))
        readers = {
            abi.CALL_SERVICE: self._call,
            abi.FAULT_TEXT: self._fault,
            abi.FAULT: self._fault,
            abi.TRACE: self._trace,
            abi.CAPABILITIES: self._capabilities,
            abi.ROOM: self._room,
            abi.LOG: self._log,
            abi.UPDATE: self._update,
        }
        return readers[frame.kind](frame)

    def _update(self, frame: Frame) -> bytes:
        """Answer as an updater that has nothing to do, and refuses what is sent."""
        answers = {
            abi.UPDATE_LIST: b"1 abcdef - -",
            abi.UPDATE_STATE: abi.UPDATE_STATE_STRUCT.pack(0, 0),
        }
        if frame.payload[0] in answers:
            return self._line(abi.TEXT, frame.sequence, answers[frame.payload[0]])
        return self._line(abi.STATUS, frame.sequence, bytes([abi.UNKNOWN]) + b"no updater")

    def _inject(self, name: str, kind: int) -> int:
        for service in self.services:
            if service.name == name and service.state != abi.STATE_NAMES.index("faulted"):
                self.injections.append((name, abi.INJECTION_NAMES[kind]))
                service.generation += 1
                service.restarts += 1
                service.fault = abi.FAULT_NAMES.index("EXCEPTION")
                return abi.OK
        return abi.UNKNOWN

    def _control(self, name: str, verb: int) -> int:
        self.controls.append((name, abi.CONTROL_NAMES[verb]))
        if abi.CONTROL_NAMES[verb] == "reset" and not name:
            self.uptime_ms = 0
            return abi.OK
        for service in self.services:
            if service.name == name:
                service.generation += abi.CONTROL_NAMES[verb] == "restart"
                return abi.OK
        return abi.UNKNOWN

    def _fault_text(self, sequence: int, name: str, offset: int) -> bytes:
        if name and name not in [service.name for service in self.services]:
            return self._line(abi.STATUS, sequence, bytes([abi.UNKNOWN]))
        text = self.tracebacks.get(name, f"Traceback of {name}\n" if name else "").encode()
        return self._line(abi.TEXT, sequence, text[offset : offset + 256])

    def _call(self, frame: Frame) -> bytes:
        _, operation = abi.CALL_STRUCT.unpack(frame.payload[: abi.CALL_STRUCT.size])
        name, _, data = frame.payload[abi.CALL_STRUCT.size :].partition(b"\0")
        called = (name.decode(), operation)
        if called[0] not in [service.name for service in self.services]:
            return self._line(abi.STATUS, frame.sequence, bytes([abi.UNKNOWN]))
        self.calls.append((*called, abi.decode_value(data)))
        status, value = self.answers.get(called, (abi.OK, None))
        answer = bytes([status]) + abi.encode_value(value)
        return self._line(abi.RESULT, frame.sequence, answer)

    def _room(self, frame: Frame) -> bytes:
        room = (self.heap_free, HEAP_BYTES, *FILES_BYTES, 1)
        return self._line(abi.TEXT, frame.sequence, abi.ROOM_STRUCT.pack(*room))

    def _log(self, frame: Frame) -> bytes:
        (number,) = abi.POSITION_STRUCT.unpack(frame.payload)
        if number >= len(self.kept_log):
            return self._line(abi.TEXT, frame.sequence, b"")
        line = abi.POSITION_STRUCT.pack(number + 1) + self.kept_log[number].encode()
        return self._line(abi.TEXT, frame.sequence, line)

    def _capabilities(self, frame: Frame) -> bytes:
        found = self.capabilities.get(frame.payload.decode(), [])
        rows = b"".join(abi.CAPABILITY_STRUCT.pack(*one) for one in found)
        return self._line(abi.TEXT, frame.sequence, rows)

    def _trace(self, frame: Frame) -> bytes:
        """Answer from a ring of 64 records, positions from 1, as the kernel does."""
        (position,) = abi.POSITION_STRUCT.unpack(frame.payload)
        position = max(position, len(self.trace) - 62, 1)
        piece = self.trace[position - 1 :][: abi.TRACE_READ_MAX]
        data = b"".join(abi.TRACE_STRUCT.pack(*record) for record in piece)
        return self._line(abi.TEXT, frame.sequence, abi.POSITION_STRUCT.pack(position) + data)

    def _fault(self, frame: Frame) -> bytes:
        sequence = frame.sequence
        if frame.kind == abi.FAULT_TEXT:
            (offset,) = abi.OFFSET_STRUCT.unpack(frame.payload[:2])
            return self._fault_text(sequence, frame.payload[2:].decode(), offset)
        name = frame.payload.decode()
        record = self.faults.get(name)
        if record is None:
            return self._line(abi.STATUS, sequence, bytes([abi.UNKNOWN]))
        return self._line(abi.TEXT, sequence, abi.FAULT_STRUCT.pack(*record))

    def _line(self, kind: int, sequence: int, payload: bytes) -> bytes:
        kind, payload = self.twist(kind, payload)
        if self._gate.answers:
            payload = self._gate.answers.sealed(bytes([kind]) + payload)
            kind = abi.ANSWER
        return self.lose(abi.encode(kind, sequence, payload))


class FakeLine:
    """A line to a `FakeBoard` on which waiting costs no time: the clock jumps.

    `after` plans what happens later: something the board says, or any function. Of the line's time
    the board gets a `share`.
    """

    def __init__(self, board: FakeBoard, *, piece_size: int = 4096, share: float = 1) -> None:
        self.board = board
        self.name = "/dev/fake"
        self.pace_min = SLOWEST
        self.is_closed = False
        self.is_cut = False
        self._now_s = 100.0
        self._planned: list[tuple[float, Callable[[], object]]] = []
        self._pending = bytearray()
        self._piece_size = piece_size
        self._next_table_s = 0.0
        self._share = share
        self._owed_ms = 0.0

    def after(self, seconds: float, action: bytes | Callable[[], object]) -> None:
        """Plan an action, counted from now; bytes are what the board then says."""
        data = action
        run = (lambda: self.say(data)) if isinstance(data, bytes) else data
        self._planned.append((self._now_s + seconds, run))
        self._planned.sort(key=lambda planned: planned[0])

    def say(self, data: bytes) -> None:
        self._pending += data

    def cut(self) -> None:
        self.is_cut = True

    def write(self, data: bytes) -> None:
        self._check()
        before = self.board.watch
        self.say(self.board.take(data))
        if self.board.watch is not None and self.board.watch != before:
            self._next_table_s = self._now_s + self.board.watch[1] / 1000

    def read(self, timeout_s: float) -> bytes:
        until_s = self._now_s + timeout_s
        while not self._pending and self._now_s < until_s:
            self._check()
            self._pass_time(until_s)
        data = bytes(self._pending[: self._piece_size])
        del self._pending[: self._piece_size]
        return data

    def clock_s(self) -> float:
        return self._now_s

    def close(self) -> None:
        self.is_closed = True

    def pass_time(self, seconds: float) -> None:
        """Let time pass while nobody reads."""
        self._now_s += seconds
        if self._share != 1:
            self._give(seconds)

    def _check(self) -> None:
        if self.is_cut:
            raise LinkLost(f"the port {self.name} went away")

    def _give(self, seconds: float) -> None:
        """Let time pass on the board."""
        self._owed_ms += 1000 * seconds * self._share
        whole_ms = round(self._owed_ms)
        self._owed_ms -= whole_ms
        self.board.uptime_ms += whole_ms

    def _pass_time(self, until_s: float) -> None:
        """Jump to the next thing that happens before `until_s`, and let it."""
        watch = self.board.watch
        planned_s = self._planned[0][0] if self._planned else until_s
        table_s = until_s if watch is None or self.board.is_deaf else self._next_table_s
        due_s = max(min(until_s, planned_s, table_s), self._now_s)
        self._give(due_s - self._now_s)
        self._now_s = due_s
        if self._planned and due_s >= planned_s:
            self._planned.pop(0)[1]()
        elif watch is not None and table_s <= due_s < until_s:
            self._next_table_s = max(self._next_table_s, due_s) + watch[1] / 1000 / self._share
            self.say(self.board.watched_table(watch[0]))


@contextmanager
def served(board: FakeBoard) -> Iterator[str]:
    """Serve a board on a pseudo-terminal, in a thread and in real time; give its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    is_over = threading.Event()
    thread = threading.Thread(target=_serve, args=(board, master, is_over), daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        is_over.set()
        thread.join(5)
        os.close(slave)
        os.close(master)


def _serve(board: FakeBoard, master: int, is_over: threading.Event) -> None:
    next_table_s = 0.0
    watch = None
    last_ms = time.monotonic_ns() // 1_000_000
    while not is_over.is_set():
        now_ms = time.monotonic_ns() // 1_000_000
        board.uptime_ms += board.is_ticking * (now_ms - last_ms)
        last_ms = now_ms
        if select.select([master], [], [], 0.02)[0]:
            os.write(master, board.take(os.read(master, 4096)))
        os.write(master, board.chatter)
        now_s = time.monotonic()
        if board.watch is not None and board.watch != watch:
            watch = board.watch
            next_table_s = now_s + watch[1] / 1000
        if watch is not None and now_s >= next_table_s:
            next_table_s = now_s + watch[1] / 1000
            board.uptime_ms += 0 if board.is_ticking else watch[1]
            os.write(master, board.watched_table(watch[0]))
