"""Prints what is new: the supervisor's events, the last words of what failed, the log.

`logger.api` has how log records look, this how events do.
"""

from bulkhead import OK
from bulkhead.plain import fault_lines
from bulkhead_system import SERVICES
from bulkhead.terms import FAULT_NAMES
from kernel.abi import FAULT_TEXT_BYTES

from services.logger import api as logger_api
from services.supervisor import api as supervisor_api
from services.supervisor.api import GIVEN_UP, LOST, STARVED


def print_news(task, serial):
    """Print what is new, as far as the line takes it; return whether that is all.

    What it does not take, or the prompt's line is not there for, stays where it is kept: a text
    that has begun here, events with the supervisor, records with the logger, which count what
    they lose.
    """
    while (yield from serial.say(task, serial.text)):
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
    if event[2] < STARVED:  # a fault, which has a text
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


def event_text(event, services):
    """Return the text of an event: (ms, name, fault kind, generation, delay_ms).

    `services` is the system's table.
    """
    _, name, kind, generation, delay_ms = event
    if kind == LOST:
        return "%d events before this were lost: more came than are kept" % delay_ms
    if kind == STARVED:
        number, percent = generation >> 7, generation & 0x7F
        busy = services[number - 1][0]
        return "%s has not run for %d ms: %s has %d %% of the processor" % (
            name, delay_ms, busy, percent,
        )  # fmt: skip
    if delay_ms == GIVEN_UP:
        then = "given up"
    elif delay_ms < 0:
        then = "not started again"
    elif delay_ms:
        then = "again in %d ms" % delay_ms
    else:
        then = "again at once"
    return "%s faulted: %s, generation %d, %s" % (name, FAULT_NAMES[kind], generation, then)
