"""The serial link: answers the host's frames, prints events and log records as plain text.

Reads only when the port says that console input waits, so a person or a tool at the REPL gets
every character; after a Ctrl-C it reads no further: that is the prompt's. Writes only what the
serial port takes at once, so a host that does not read delays nobody.
"""

import gc
import select
import struct
import sys as interpreter
import time
from os import urandom

from bulkhead import DEAD, NOTIFIED, OK
from bulkhead import link, value
from bulkhead.plain import fault_lines
from bulkhead.session import NO_SESSION, NONCE_BYTES, READING_CLOSED, Answers, Gate, Session
from bulkhead_key import KEY
from bulkhead_system import APPLICATION, BOARD, LINK_CLOSED, SERVICES, VERSION
from kernel.abi import ABI, FAULT_TEXT_BYTES, GUEST_BIT, OPERATIONS, READABLE, UNKNOWN
from micropython import const

from services.console.lines import event_text
from services.logger import api as logger_api
from services.supervisor import api as supervisor_api

try:
    from machine import unique_id
except ImportError:  # a process has no id
    unique_id = bytes  # type: ignore[assignment]

_INPUT = const(1)
_WATCH_INTERVAL_MS_MIN = const(50)
# A host that takes nothing for this many milliseconds loses an answer; what is printed waits.
_ANSWER_TRIES = const(20)
_TEXT_TRIES = const(3)
_AGAIN_MS = const(100)  # between two tries to print what waits
_READ_AT_ONCE = const(64)
_CTRL_C = const(3)
_LINE_FEED = const(10)
_MARK = const(0x1E)
_LINE = "input"
_CALL_BYTES = const(3)
_PATIENCE_MS = const(1000)
_RESET = bytes((link.RESET,))
_FAREWELL_MS = const(50)
_POSITION_MASK = const(0x3FFFFFFF)
# Losses, sessions opened; the watch, and its order; bytes of the frame; sessions.
_HEAD = "<IIIIBBHIIBIHhB"
_SESSION = "<BI32s"


class Serial:
    """The serial port as this service sees it: never waits."""

    def __init__(self):
        self.readable = select.poll()
        self.readable.register(interpreter.stdin, select.POLLIN)
        self.input = interpreter.stdin.buffer
        self.character = bytearray(1)
        self.line = bytearray(link.LINE_BYTES_MAX)
        self.length = -1  # of the frame that has begun; -1 outside of one
        self.wants_prompt = False
        self.damaged = 0  # frames
        self.lost = 0  # bytes of answers that the host did not take
        self.answers = None  # those to the order that is being answered
        self.text = b""  # that is being printed: what the line has not taken yet
        self.failed = ""  # whose last words are printed next
        self.is_held = False  # the prompt has the line

    def read_line(self):
        """Take waiting characters; return the frame they complete, None if they do not.

        What follows a Ctrl-C is not taken. Allocates nothing but the frame.
        """
        poll = self.readable.poll
        readinto = self.input.readinto
        character = self.character
        for _ in range(_READ_AT_ONCE):
            if not poll(0):
                return None
            readinto(character)
            code = character[0]
            if code == _CTRL_C:
                self.wants_prompt = True
                self.length = -1
                return None
            if code == _MARK:
                self.damaged += self.length >= 0  # it was cut off
                self.length = 0
            elif self.length < 0:
                continue
            elif code == _LINE_FEED:
                frame = link.decode(memoryview(self.line)[: self.length])
                self.length = -1
                self.damaged += frame is None
                return frame
            elif self.length == link.LINE_BYTES_MAX:
                self.length = -1
                self.damaged += 1
            else:
                self.line[self.length] = code
                self.length += 1
        return None

    def more(self):
        """Return whether characters wait."""
        return bool(self.readable.poll(0))


class Link:
    """All that an update of the console hands over: sessions, losses, what is half read."""

    def __init__(self):
        self.serial = Serial()
        self.gate = Gate(KEY, LINK_CLOSED, unique_id())
        self.watch = Watch()

    def export_state(self):
        """Return it as bytes."""
        serial, gate, watch = self.serial, self.gate, self.watch
        losses = (serial.damaged, serial.lost, gate.refused, gate.replayed, gate.opened)
        wish = (watch.sequence, watch.interval_ms, watch.next_ms, watch.end_ms)
        order = watch.answers
        order = (order.name, order.number, order.index) if order else (0, 0, 0)
        sessions = [struct.pack(_SESSION, s.name, s.number, s.key) for s in gate.sessions]
        head = struct.pack(_HEAD, *losses, *wish, *order, serial.length, len(sessions))
        return head + b"".join(sessions) + bytes(serial.line[: max(serial.length, 0)])

    def import_state(self, _version, state):
        """Go on with the sessions, and within the frame, that another version has left."""
        serial, gate, watch = self.serial, self.gate, self.watch
        row = struct.unpack_from(_HEAD, state)
        serial.damaged, serial.lost, gate.refused, gate.replayed, gate.opened = row[:5]
        watch.sequence, watch.interval_ms, watch.next_ms, watch.end_ms = row[5:9]
        serial.length = row[12]
        at = struct.calcsize(_HEAD)
        for _ in range(row[13]):
            session = Session(KEY, 0, b"", b"")
            session.name, session.number, session.key = struct.unpack_from(_SESSION, state, at)
            gate.sessions.append(session)
            if session.name == row[9]:
                watch.answers = Answers(session, row[10], row[11])
            at += struct.calcsize(_SESSION)
        serial.line[: len(state) - at] = state[at:]


def put(task, serial, data, tries_max):
    """Write what the line takes of `data`, and return the rest.

    Gives up when the host has taken nothing for that many tries, a millisecond between two, or
    when the prompt has the line.
    """
    line = task.cap(_LINE)
    start = 0
    tries = 0
    while True:
        status = yield task.write(line, data, start)
        serial.is_held = status != OK
        count = task.count()
        start += count
        if start == len(data) or serial.is_held or tries == tries_max:
            return data[start:]
        tries = 0 if count else tries + 1
        if not count:
            yield task.sleep(1)


def write(task, serial, data):
    """Write an answer, behind a line that has begun; what nobody takes of it is lost."""
    serial.text = yield from put(task, serial, serial.text, _ANSWER_TRIES)
    if not serial.text:
        data = yield from put(task, serial, data, _ANSWER_TRIES)
    serial.lost += len(data)


def say(task, serial, text):
    """Begin to print a text; return whether the line has taken all of it."""
    serial.text = yield from put(task, serial, text, _TEXT_TRIES)
    return not serial.text


def main(task):
    """Serve the link until stopped."""
    state = Link()
    task.carry_over(state)
    serial, gate, watch = state.serial, state.gate, state.watch
    line = task.cap(_LINE)
    yield task.acknowledge(line)
    has_all = False
    while True:
        if not has_all:
            has_all = yield from print_news(task, serial)
        pause_ms = watch.pause_ms()
        if not (has_all or serial.is_held) and (pause_ms is None or pause_ms > _AGAIN_MS):
            pause_ms = _AGAIN_MS
        status = yield task.recv(pause_ms)
        has_all = has_all and status != NOTIFIED
        bits = task.bits() if status == NOTIFIED else 0
        if bits & _INPUT:
            yield from put(task, serial, b"", 0)
            while not serial.is_held and serial.more():
                frame = serial.read_line()
                if serial.wants_prompt:
                    serial.wants_prompt = False
                    yield task.hand_over(line)
                    break
                if frame:
                    yield from answer(task, serial, gate, watch, frame)
                    if bits & GUEST_BIT:
                        break
                yield task.sleep(1)  # a burst takes many steps, each within the budget
        yield task.acknowledge(line)
        if watch.is_due():
            yield from put(task, serial, b"", 0)
            if serial.is_held:  # whoever wished for it has left the line to somebody else
                watch.interval_ms = 0
            else:
                serial.answers = watch.answers
                yield from send_table(task, serial, gate, watch.sequence)


class Watch:
    """The host's wish to be sent the table now and then, until it ends by itself."""

    def __init__(self):
        self.sequence = 0
        self.answers = None
        self.interval_ms = 0
        self.next_ms = self.end_ms = time.ticks_ms()

    def begin(self, sequence, answers, interval_ms, for_ms):
        """Take a new wish in place of the last; `answers` are those to the order it came in."""
        now = time.ticks_ms()
        self.sequence = sequence
        self.answers = answers
        self.interval_ms = max(interval_ms, _WATCH_INTERVAL_MS_MIN)
        self.next_ms = now
        self.end_ms = time.ticks_add(now, for_ms)

    def pause_ms(self):
        """Return the milliseconds until it is time to send, None while nothing is wished for."""
        if not self.interval_ms:
            return None
        return max(0, time.ticks_diff(self.next_ms, time.ticks_ms()))

    def is_due(self):
        """Return whether it is time to send, and plan the next time."""
        now = time.ticks_ms()
        if not self.interval_ms or time.ticks_diff(now, self.next_ms) < 0:
            return False
        if time.ticks_diff(now, self.end_ms) >= 0:
            self.interval_ms = 0
            return False
        self.next_ms = time.ticks_add(now, self.interval_ms)
        return True


def admitted(gate, frame):
    """Return (status, kind, payload) of what a frame asks for; OK if it may be done."""
    kind, _, payload = frame
    gate.answers = None
    if kind == link.ORDER:
        request = gate.admit(payload)
        if type(request) is int:
            return request, kind, payload
        return OK, request[0], request[1:]
    if kind == link.HELLO or kind == link.CHALLENGE:
        return OK, kind, payload
    if kind in link.READING and not gate.access & READING_CLOSED:
        return OK, kind, payload
    gate.refused += 1
    return NO_SESSION, kind, payload


def answer(task, serial, gate, watch, frame):
    """Do what one request asks, if it may be done."""
    sequence = frame[1]
    status, kind, payload = admitted(gate, frame)
    serial.answers = gate.answers
    if status != OK and kind == link.ORDER:
        yield from send(task, serial, link.STATUS, sequence, gate.refusal(status, payload))
    elif status != OK:
        yield from send_status(task, serial, sequence, status)
    elif kind == link.HELLO:
        names = "\0".join((VERSION, BOARD, APPLICATION, "")).encode()
        now = time.ticks_ms()
        head = struct.pack(link.HELLO_FORMAT, ABI, len(SERVICES), now, gate.access, gate.mark)
        yield from send(task, serial, link.HELLO_IS, sequence, head + names)
    elif kind == link.CHALLENGE and len(payload) == NONCE_BYTES:
        opened = gate.open(payload, urandom(NONCE_BYTES))
        yield from send(task, serial, link.CHALLENGE_IS, sequence, opened)
    elif kind == link.TABLE:
        yield from send_table(task, serial, gate, sequence)
    elif kind == link.WATCH and len(payload) == 4:
        watch.begin(sequence, gate.answers, *struct.unpack("<HH", payload))
    elif kind in (link.INJECT, link.CONTROL) and payload:
        if kind == link.CONTROL and payload == _RESET:
            yield from send_status(task, serial, sequence, OK)
            yield task.sleep(_FAREWELL_MS)  # until the host has taken it
        operation = supervisor_api.INJECT if kind == link.INJECT else supervisor_api.CONTROL
        supervisor = task.cap("supervisor")
        status = yield task.call(supervisor, operation, (text(payload[1:]), payload[0]))
        if status == DEAD:  # the supervisor was the target
            yield task.reopen(supervisor)
        status = OK if status in (OK, DEAD) else UNKNOWN
        yield from send_status(task, serial, sequence, status)
    elif kind == link.CALL:
        yield from call(task, serial, sequence, payload)
    elif kind == link.UPDATE and payload and payload[0] < OPERATIONS:
        yield from answer_update(task, serial, sequence, payload)
    elif kind in link.READING:
        yield from answer_text(task, serial, sequence, kind, payload)
    else:
        yield from send_status(task, serial, sequence, UNKNOWN)


def call(task, serial, sequence, payload):
    """Call any service and send its status and what came with it."""
    name, _, argument = payload[_CALL_BYTES:].partition(b"\0")
    name = text(name)
    try:
        timeout_ms, operation = struct.unpack(link.CALL_FORMAT, payload[:_CALL_BYTES])
        argument = value.decode(argument)
    except ValueError:
        operation = OPERATIONS
    if operation >= OPERATIONS or name not in task.handles or name in ("", _LINE):
        yield from send_status(task, serial, sequence, UNKNOWN)
        return
    if timeout_ms > _PATIENCE_MS:  # it is not hung for waiting as long as it is told to
        yield task.call(task.cap("supervisor"), supervisor_api.EXCUSE, timeout_ms)
    service = task.cap(name)
    yield task.reopen(service)
    status = yield task.call(service, operation, argument, timeout_ms)
    try:
        result = value.encode(task.arg if status < OPERATIONS else None)
    except ValueError:
        result = value.encode(None)
    yield from send(task, serial, link.RESULT, sequence, bytes((status,)) + result)


def answer_text(task, serial, sequence, kind, payload):
    """Send the bytes that the supervisor answers with, or that there are none."""
    status = UNKNOWN
    if kind == link.FAULT_TEXT and len(payload) >= 2:
        operands = text(payload[2:]), payload[0] | payload[1] << 8
        status = yield task.call(task.cap("supervisor"), supervisor_api.FAULT_TEXT, operands)
    elif kind == link.TRACE and len(payload) == 4:
        position = struct.unpack("<I", payload)[0] & _POSITION_MASK
        status = yield task.call(task.cap("supervisor"), supervisor_api.TRACE, position)
    elif kind in (link.FAULT, link.CAPABILITIES):
        operation = supervisor_api.FAULT if kind == link.FAULT else supervisor_api.CAPABILITIES
        status = yield task.call(task.cap("supervisor"), operation, text(payload))
    elif kind == link.LOG and len(payload) == 4:
        status = yield from find_record(task, struct.unpack("<I", payload)[0])
    elif kind == link.HEAP:
        gc.collect()
        task.arg = struct.pack("<I", gc.mem_free())
        status = OK
    if status == OK:
        yield from send(task, serial, link.TEXT, sequence, task.arg)
    else:
        if status == DEAD:
            yield task.reopen(task.cap("supervisor"))
        yield from send_status(task, serial, sequence, UNKNOWN)


def find_record(task, number):
    """Put the log's first record after that number into `task.arg`, as LOG answers it."""
    logger = task.cap("logger")
    status = yield task.call(logger, logger_api.AFTER, number)
    if status == DEAD and (yield task.reopen(logger)) == OK:
        status = yield task.call(logger, logger_api.AFTER, number)
    if status == logger_api.EMPTY:
        task.arg = b""
        return OK
    if status == OK:
        record = task.arg
        line = logger_api.line_of(record[1:], SERVICES)
        task.arg = struct.pack("<I", record[0]) + line.encode()
    return status


def answer_update(task, serial, sequence, payload):
    """Hand one step of an update to the updater, where there is one."""
    updater = task.handles.get("updater")
    status = UNKNOWN
    why = None
    if updater is not None:
        data = payload[1:]
        status = yield task.call_lending(updater, payload[0], data, READABLE, len(data))
        if status == DEAD and (yield task.reopen(updater)) == OK:  # it was started again
            status = yield task.call_lending(updater, payload[0], data, READABLE, len(data))
        why = task.arg
    if status == OK and type(why) is bytes:
        yield from send(task, serial, link.TEXT, sequence, why)
    else:
        why = why.encode() if type(why) is str else b""
        yield from send(task, serial, link.STATUS, sequence, bytes((status,)) + why)


def send(task, serial, kind, sequence, payload):
    """Send an answer: one to an order is sealed."""
    if serial.answers:
        payload = serial.answers.sealed(bytes((kind,)) + payload)
        kind = link.ANSWER
    yield from write(task, serial, link.encode(kind, sequence, payload))


def text(name):
    """Return the text of bytes from the line, of a name that nobody has where they are none."""
    try:
        return str(name, "utf-8")
    except UnicodeError:
        return "?"


def send_status(task, serial, sequence, status):
    """Send a status."""
    yield from send(task, serial, link.STATUS, sequence, bytes((status,)))


def send_table(task, serial, gate, sequence):
    """Send a SERVICE frame for each task, and END."""
    supervisor = task.cap("supervisor")
    for number in range(1, len(SERVICES) + 1):
        status = yield task.call(supervisor, supervisor_api.ROW, number)
        if status != OK:
            yield task.reopen(supervisor)
            return
        row, restarts, name = task.arg
        payload = row + struct.pack("<H", max(restarts, 0)) + name.encode()
        yield from send(task, serial, link.SERVICE, sequence, payload)
    losses = (serial.damaged, gate.refused, gate.replayed, serial.lost)
    counts = [count & 0xFFFF for count in losses]
    end = struct.pack(link.END_FORMAT, len(SERVICES), time.ticks_ms(), *counts)
    yield from send(task, serial, link.END, sequence, end)


def print_news(task, serial):
    """Print what is new, as far as the line takes it; return whether that is all.

    What it does not take, or the prompt's line is not there for, stays where it is kept: a text
    that has begun here, events with the supervisor, records with the logger, which count what
    they lose.
    """
    while (yield from say(task, serial, serial.text)):
        if serial.failed:
            text = yield from last_words(task, serial.failed)
            serial.failed = ""
        else:
            text = yield from next_event(task, serial)
            if not text:
                text = yield from next_record(task)
                if not text:
                    return True
        serial.text = text
    return False


def last_words(task, name):
    """Return the lines of the last words of what failed."""
    supervisor = task.cap("supervisor")
    words = b""
    while True:
        status = yield task.call(supervisor, supervisor_api.FAULT_TEXT, (name, len(words)))
        if status != OK or not task.arg:
            break
        words += task.arg
    lines = fault_lines(words, is_cut=len(words) >= FAULT_TEXT_BYTES)
    return b"".join([line.encode() + b"\r\n" for line in lines])


def next_event(task, serial):
    """Return the line of what the supervisor has seen, nothing if there is no more."""
    supervisor = task.cap("supervisor")
    status = yield task.call(supervisor, supervisor_api.EVENT)
    if status != OK:
        if status != supervisor_api.EMPTY:
            yield task.reopen(supervisor)
        return b""
    event = task.arg
    text = event_text(event, SERVICES)
    yield task.send(task.cap("logger"), logger_api.WARNING, text)  # for its other readers
    if event[2] < supervisor_api.STARVED:  # a fault, which has a text
        serial.failed = event[1]
    record = logger_api.line(event[0], logger_api.WARNING, "supervisor", text)
    return (record + "\r\n").encode()


def next_record(task):
    """Return the line of the logger's next record, nothing if there is no more."""
    logger = task.cap("logger")
    status = yield task.call(logger, logger_api.NEXT)
    if status != OK:
        if status != logger_api.EMPTY:
            yield task.reopen(logger)
        return b""
    return (logger_api.line_of(task.arg, SERVICES) + "\r\n").encode()
