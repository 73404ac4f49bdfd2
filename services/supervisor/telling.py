"""What the supervisor tells of services, packed of the kernel's words in the formats of `abi`.

A task's words are those that `task.inspect` gives: `kernel.layout` says which is which.
"""

from struct import pack, unpack_from

from bulkhead.terms import CAPABILITY_FORMAT, FAULT_FORMAT, INSPECT_FORMAT, NO_TASK
from kernel.abi import CLOSING, DORMANT, ENDED, FAULTED
from kernel.layout import (
    BADGE_SHIFT, BASE, CAPABILITIES, CAPABILITY, CAPABILITY_COUNT, CLIENTS, CPU_US, DEADLINE,
    DROPPED, ENDING, FAR_MS, FAULT, FAULT_WORDS, GENERATION, GENERATION_MASK, LAST_STEP,
    MAIL_COUNT, NAMED, NOW, OFFSET_MASK, PEER, PRIORITY, RECORD, RECORD_SHIFT, RIGHTS_MASK,
    RIGHTS_SHIFT, SAFE_SINCE, STATE, STEPS, TARGET, TIMED_WAIT, TRACE_AT, TRACE_END, TRACE_LAPS,
    TRACE_RECORD, USED_BYTES, USES,
)  # fmt: skip
from kernel.limits import FAULTS_KEPT, MESSAGE_BYTES_MAX, TIME_HALF, TIME_MASK, TRACE_RECORDS
from micropython import const

_ROW = "<B" + INSPECT_FORMAT[1:] + "H"  # behind the length
_ROW_BYTES = const(35)  # without the name
_DROPPED_MAX = const(65535)
_FAULT = "<8i"
_CAPABILITIES_MAX = const(25)  # that a message holds
_READ_MAX = const(31)  # records of the trace that a message holds
_WORDS = const(128)  # of the trace: TRACE_RECORD * TRACE_RECORDS


def state_of(w):
    """Return a task's state; of one that has ended but for its last step, CLOSING."""
    return CLOSING if w[RECORD + ENDING] & LAST_STEP else w[STATE]


def kind_of(w):
    """Return the kind of a task's last fault."""
    return w[RECORD + FAULT]


def rows(task, wards, number):
    """Return what ROWS answers: the rows of `wards` from a task's on, as many as it holds."""
    kernel = task.cap("kernel")
    told = b""
    while number <= len(wards):
        ward = wards[number - 1]
        yield task.inspect(kernel, number)
        data = row(number, task.arg, ward)
        if len(told) + len(data) > MESSAGE_BYTES_MAX:
            break
        told += data
        number += 1
    return told


def row(number, w, ward):
    """Return a row: its length, INSPECT_FORMAT, how often the task was started again, its name.

    For one that is down there is a word of the supervisor's own: held, given up, or ended for
    good. A monitor asks for each row each second: what takes a look or a call less is here.
    """
    name = ward.name.encode()
    state = w[STATE]
    restarts = w[GENERATION] - 1
    if w[RECORD + ENDING] & LAST_STEP:
        state = CLOSING
    elif state == DORMANT or state == FAULTED:
        restarts -= 1
        if ward.rests:
            state = ward.rests
        elif state == FAULTED and not ward.is_due and not ward.wants(w[RECORD + FAULT]):
            state = ENDED
    dropped = w[RECORD + DROPPED]
    data = pack(
        _ROW,
        _ROW_BYTES + len(name),
        number,
        state,
        w[BASE],
        w[PRIORITY],
        w[RECORD + FAULT],
        w[CLIENTS],
        w[MAIL_COUNT],
        w[GENERATION],
        _wait_s(w) if w[TIMED_WAIT] else 0,
        w[CPU_US],
        w[STEPS],
        dropped if dropped < _DROPPED_MAX else _DROPPED_MAX,
        w[PEER] >> RECORD_SHIFT,
        w[RECORD + USED_BYTES],
        w[SAFE_SINCE],
        restarts if restarts > 0 else 0,
    )
    return data + name


def _wait_s(w):
    """Return the seconds until a task's wait, which has a deadline, ends, rounded up."""
    left_us = (w[DEADLINE] - w[NOW]) & TIME_MASK
    if left_us & TIME_HALF:
        return 0
    left_ms = (left_us + 999) // 1000 + w[FAR_MS]
    return min((left_ms + 999) // 1000, 65535)


def capabilities(task, kernel, number, tasks):
    """Return the capabilities of a task, one of so many, each in CAPABILITY_FORMAT."""
    yield task.inspect(kernel, number)
    first = task.arg[CAPABILITIES]
    count = min(task.arg[CAPABILITY_COUNT], _CAPABILITIES_MAX)
    yield task.read_words(kernel, first, CAPABILITY * count)
    table = task.arg
    found = []
    for at in range(0, len(table), CAPABILITY):
        target, named, uses = table[at + TARGET], table[at + NAMED], table[at + USES]
        other = (target & OFFSET_MASK) >> RECORD_SHIFT
        found.append(
            pack(
                CAPABILITY_FORMAT,
                other if other <= tasks else NO_TASK,
                target >> RIGHTS_SHIFT & RIGHTS_MASK,
                named & GENERATION_MASK,
                named >> BADGE_SHIFT,
                uses & TIME_MASK,
            )
        )
    return b"".join(found)


def fault(records, number):
    """Return the newest fault of a task in FAULT_FORMAT, of 0 what ended the last run, or None.

    `records` are what `task.read_fault` gives.
    """
    found = [FAULTS_KEPT]
    if number:  # the newest first
        found = [(records[-1] - back) % FAULTS_KEPT for back in range(1, FAULTS_KEPT + 1)]
    for index in found:
        record = unpack_from(_FAULT, records, 4 * FAULT_WORDS * index)
        if record[1] and (not number or record[0] == number):
            return pack(FAULT_FORMAT, *record)
    return None


def crash_piece(records, offset, rows):
    """Return a piece of the text of what ended the last run, by the system's table."""
    from bulkhead.crashes import crash_text  # rarely wanted

    crash = unpack_from(_FAULT, records, 4 * FAULT_WORDS * FAULTS_KEPT)
    text = crash_text(crash, rows) if crash[1] else ""
    return text.encode()[offset : offset + MESSAGE_BYTES_MAX]


def trace(task, kernel, position):
    """Return records of the trace from `position` on: its number as u32, then TRACE_FORMATs.

    Positions count records from boot, modulo 2**30: a busy board makes so many in a day or two.
    What the ring has lost already is skipped; the newest, which may be repeated yet, is not given.
    The trace goes on meanwhile: what is given was there before the ring was read, and after that.
    """
    yield task.read_words(kernel, 0, RECORD)
    head = task.arg
    first = head[TRACE_END] - _WORDS
    yield task.read_words(kernel, first, _WORDS)
    ring = bytes(task.arg)
    yield task.read_words(kernel, 0, RECORD)
    return piece(ring, _end(head, first), _end(task.arg, first), position)


def piece(ring, end, after, position):
    """Return what `trace` does, of a ring whose newest record was from `end` to `after`."""
    position = position & TIME_MASK or 1  # there was nothing before the first
    count = after - position & TIME_MASK
    if count >= TRACE_RECORDS:
        position = after - (TRACE_RECORDS - 1) & TIME_MASK
    count = end - position & TIME_MASK
    if count >= TIME_HALF:
        count = 0
    data = [pack("<I", position)]
    for index in range(position, position + min(count, _READ_MAX)):
        at = 4 * TRACE_RECORD * (index % TRACE_RECORDS)
        data.append(ring[at : at + 4 * TRACE_RECORD])
    return b"".join(data)


def _end(head, first):
    """Return the number of the newest record of the trace, by the words of record 0."""
    newest = (head[TRACE_AT] - first) // TRACE_RECORD
    return head[TRACE_LAPS] * TRACE_RECORDS + newest & TIME_MASK
