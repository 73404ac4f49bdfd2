"""What the host's requests ask for, on whatever line they come: see `bulkhead.link`."""

import gc
import struct
import time
from os import statvfs, urandom

from bulkhead import DEAD, FULL, OK, TIMEOUT
from bulkhead import link, value
from bulkhead.session import NO_SESSION, NONCE_BYTES, READING_CLOSED
from bulkhead_system import APPLICATION, BOARD, SERVICES, VERSION
from kernel.abi import ABI, OPERATIONS, READABLE, UNKNOWN
from micropython import const

from services.logger import api as logger_api
from services.supervisor import api as supervisor_api

try:
    from machine import reset_cause
except ImportError:  # a process was not reset
    reset_cause = int  # type: ignore[assignment]

_LINE = "input"
_CALL_BYTES = const(3)
_PATIENCE_MS = const(1000)
_RESET = bytes((link.RESET,))
_POSITION_MASK = const(0x3FFFFFFF)
_ROOM_MASK = const(0xFFFFFFFF)


def admitted(line, frame):
    """Return (status, kind, payload) of what a frame asks for; OK if it may be done.

    On a line that others can write to, too, what is no order of a session is only its beginning.
    """
    kind, _, payload = frame
    gate = line.gate
    gate.answers = None
    if kind == link.ORDER:
        request = gate.admit(payload)
        if type(request) is int:
            return request, kind, payload
        return OK, request[0], request[1:]
    if kind == link.CHALLENGE or kind == link.HELLO and not line.is_remote:
        return OK, kind, payload
    if kind in link.READING and not gate.access & READING_CLOSED:
        return OK, kind, payload
    gate.refused += 1
    return NO_SESSION, kind, payload


def answer(task, line, frame):
    """Do what one request asks, if it may be done."""
    sequence = frame[1]
    status, kind, payload = admitted(line, frame)
    line.answers = line.gate.answers
    if status != OK and kind == link.ORDER:
        yield from send(task, line, link.STATUS, sequence, line.gate.refusal(status, payload))
    elif status != OK:
        yield from send_status(task, line, sequence, status)
    elif kind == link.HELLO:
        names = "\0".join((VERSION, BOARD, APPLICATION, "")).encode()
        now = time.ticks_ms()
        gate = line.gate
        head = struct.pack(link.HELLO_FORMAT, ABI, len(SERVICES), now, gate.access, gate.mark)
        yield from send(task, line, link.HELLO_IS, sequence, head + names)
    elif kind == link.CHALLENGE and len(payload) == NONCE_BYTES:
        opened = line.gate.open(payload, urandom(NONCE_BYTES))
        yield from send(task, line, link.CHALLENGE_IS, sequence, opened)
    elif kind == link.TABLE:
        yield from send_table(task, line, sequence)
    elif kind == link.WATCH and len(payload) == 4:
        line.watch.begin(sequence, line.gate.answers, *struct.unpack("<HH", payload))
    elif kind in (link.INJECT, link.CONTROL) and payload:
        if kind == link.CONTROL and payload == _RESET:
            yield from send_status(task, line, sequence, OK)
            yield task.sleep(line.farewell_ms)  # until the host has taken it
        operation = supervisor_api.INJECT if kind == link.INJECT else supervisor_api.CONTROL
        supervisor = task.cap("supervisor")
        status = yield task.call(supervisor, operation, (text(payload[1:]), payload[0]))
        if status == DEAD:  # the supervisor was the target
            yield task.reopen(supervisor)
        if status == supervisor_api.BUSY:
            status = FULL
        elif status != TIMEOUT:  # then nobody knows whether it was done
            status = OK if status in (OK, DEAD) else UNKNOWN
        yield from send_status(task, line, sequence, status)
    elif kind == link.CALL:
        yield from call(task, line, sequence, payload)
    elif kind == link.UPDATE and payload and payload[0] < OPERATIONS:
        yield from answer_update(task, line, sequence, payload)
    elif kind in link.READING:
        yield from answer_text(task, line, sequence, kind, payload)
    else:
        yield from send_status(task, line, sequence, UNKNOWN)


def call(task, line, sequence, payload):
    """Call any service and send its status and what came with it."""
    name, _, argument = payload[_CALL_BYTES:].partition(b"\0")
    name = text(name)
    try:
        timeout_ms, operation = struct.unpack(link.CALL_FORMAT, payload[:_CALL_BYTES])
        argument = value.decode(argument)
    except ValueError:
        operation = OPERATIONS
    if operation >= OPERATIONS or name not in task.handles or name in ("", _LINE):
        yield from send_status(task, line, sequence, UNKNOWN)
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
    yield from send(task, line, link.RESULT, sequence, bytes((status,)) + result)


def answer_text(task, line, sequence, kind, payload):
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
    elif kind == link.ROOM:
        try:
            block, _, blocks, free = statvfs("/")[1:5]
        except OSError:
            block = blocks = free = 0
        yield task.sleep(0)  # what follows takes a step's time by itself
        gc.collect()
        heap = gc.mem_free(), gc.mem_free() + gc.mem_alloc()
        files = block * free & _ROOM_MASK, block * blocks & _ROOM_MASK
        task.arg = struct.pack(link.ROOM_FORMAT, *heap, *files, reset_cause() & 0xFF)
        status = OK
    if status == OK:
        yield from send(task, line, link.TEXT, sequence, task.arg)
    else:
        if status == DEAD:
            yield task.reopen(task.cap("supervisor"))
        yield from send_status(task, line, sequence, UNKNOWN)


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


def answer_update(task, line, sequence, payload):
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
        yield from send(task, line, link.TEXT, sequence, why)
    else:
        why = why.encode() if type(why) is str else b""
        yield from send(task, line, link.STATUS, sequence, bytes((status,)) + why)


def send(task, line, kind, sequence, payload):
    """Send an answer: one to an order is sealed."""
    if line.answers:
        payload = line.answers.sealed(bytes((kind,)) + payload)
        kind = link.ANSWER
    yield from line.write(task, link.encode(kind, sequence, payload))


def text(name):
    """Return the text of bytes from the line, of a name that nobody has where they are none."""
    try:
        return str(name, "utf-8")
    except UnicodeError:
        return "?"


def send_status(task, line, sequence, status):
    """Send a status."""
    yield from send(task, line, link.STATUS, sequence, bytes((status,)))


def send_table(task, line, sequence):
    """Send the rows of all tasks in SERVICE frames, and END."""
    supervisor = task.cap("supervisor")
    number = 1
    while number <= len(SERVICES):
        status = yield task.call(supervisor, supervisor_api.ROWS, number)
        if status != OK:
            yield task.reopen(supervisor)
            return
        number += len(supervisor_api.row_places(task.arg))
        yield from send(task, line, link.SERVICE, sequence, task.arg)
    gate = line.gate
    losses = (line.damaged, gate.refused, gate.replayed, line.lost)
    counts = [count & 0xFFFF for count in losses]
    end = struct.pack(link.END_FORMAT, len(SERVICES), time.ticks_ms(), *counts)
    yield from send(task, line, link.END, sequence, end)
