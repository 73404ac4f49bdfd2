"""Cases: the trace."""

import struct

from cases.rig import echo
from kernel.abi import (
    BUDGET, CALL, EVENT_ENTERED, EVENT_FAULT, EVENT_INTERRUPT, EVENT_OVERRAN, EVENT_STARTED,
    EVENT_STEP, REPLY_RECV, SLEEP, SYSCALL, TRACE_FORMAT,
)  # fmt: skip
from kernel.layout import TRACE_LAPS
from kernel.limits import TIME_MASK, TRACE_RECORDS, TRACE_REPEATS_MAX
from kernel.trace import read


def records(rig, position=0):
    """Return what the trace holds as (event, task number, detail, repeats), and the position."""
    answer = read(rig.kernel, position)
    found = []
    for at in range(4, len(answer), 8):
        what = struct.unpack(TRACE_FORMAT, answer[at : at + 8])[1]
        found.append((what >> 20 & 15, what >> 13 & 127, what & 0x1FFF, what >> 24))
    return found, struct.unpack("<I", answer[:4])[0] + len(found)


def caller(rig, calls):
    """Return a service that calls `echo` so often and then waits."""

    def main(task):
        for number in range(calls):
            yield task.call(task.cap("echo"), 5, number)
        yield task.recv()

    return main


def test_trace_tells_of_a_call_and_its_reply(rig):
    rig.add("echo", echo)
    rig.add("client", caller(rig, 1), uses="echo:call")
    rig.run(20)
    found, _ = records(rig)
    call = (EVENT_STEP, 2, CALL | 5, 0)
    if call not in found or found[found.index(call) + 1][:3] != (EVENT_STEP, 1, REPLY_RECV):
        raise AssertionError(found)


def test_trace_tells_of_starts_and_faults(rig):
    def crash(task):
        yield task.sleep(1)
        raise ValueError("on purpose")

    rig.add("crash", crash)
    rig.run(20)
    found, _ = records(rig)
    rig.expect([r[:2] for r in found if r[0] == EVENT_STARTED], [(EVENT_STARTED, 1)])
    rig.expect([r[:3] for r in found if r[0] == EVENT_FAULT], [(EVENT_FAULT, 1, 1)])


def test_trace_tells_of_an_overrun(rig):
    def spin(task):
        while True:
            pass
        yield

    rig.add("spin", spin, budget_ms=10)
    rig.run(60)
    events = [r for r in records(rig)[0] if r[0] in (EVENT_OVERRAN, EVENT_FAULT)]
    rig.expect([r[:3] for r in events], [(EVENT_OVERRAN, 1, 0), (EVENT_FAULT, 1, BUDGET)])


def test_trace_tells_of_an_interrupt(rig):
    def driver(task):
        yield task.acknowledge(task.cap("edge"))
        while True:
            yield task.recv()

    rig.add("driver", driver, lines=("edge",))
    rig.start()
    rig.port.at(10, lambda: rig.port.fire(rig.line(0)))
    rig.run(30)
    found = [r[:3] for r in records(rig)[0] if r[0] == EVENT_INTERRUPT]
    rig.expect(found, [(EVENT_INTERRUPT, 1, 0)])


def test_trace_folds_what_repeats(rig):
    def pacer(task):
        for _ in range(TRACE_REPEATS_MAX + 11):
            yield task.sleep(0)
        yield task.recv()

    rig.add("pacer", pacer)
    rig.run(60)
    steps = [r[3] for r in records(rig)[0] if r[0] == EVENT_STEP and r[1] == 1 and r[2] == 0]
    rig.expect(steps, [TRACE_REPEATS_MAX, 9])


def test_trace_is_read_on_from_a_position(rig):
    rig.add("echo", echo)
    rig.add("client", caller(rig, 5), uses="echo:call")
    rig.run(20)
    first, position = records(rig)
    rig.expect(records(rig, position)[0], [])
    again, _ = records(rig, position - 3)
    rig.expect(again, first[-3:])


def test_trace_keeps_the_newest(rig):
    rig.add("echo", echo)
    rig.add("client", caller(rig, 2 * TRACE_RECORDS), uses="echo:call")
    rig.run(300)
    position = 0
    count = 0
    while True:
        found, after = records(rig, position)
        if not found:
            break
        if position and after - position != len(found):
            raise AssertionError("lost records between %d and %d" % (position, after))
        position = after
        count += len(found)
    rig.expect(count, TRACE_RECORDS - 1)
    if position < 4 * TRACE_RECORDS:
        raise AssertionError(position)


def test_trace_is_read_on_where_its_positions_come_round(rig):
    rig.add("echo", echo)
    rig.add("client", caller(rig, 2 * TRACE_RECORDS), uses="echo:call")
    rig.run(300)
    plain, plain_end = records(rig, records(rig)[1])
    rig.kernel.words[TRACE_LAPS] = (TIME_MASK + 1) // TRACE_RECORDS
    _, position = records(rig, 12345)  # long lost: the newest
    again, end = records(rig, position & TIME_MASK)
    rig.expect(again, plain)
    rig.expect(end & TIME_MASK, plain_end % TRACE_RECORDS)
    rig.expect(records(rig, TIME_MASK - 2)[0][4:], records(rig, 1)[0])


def test_reading_the_trace_takes_the_right_to(rig):
    def nosy(task):
        yield task.read_trace(task.cap("echo"), 0)

    rig.add("echo", echo)
    rig.add("nosy", nosy, uses="echo:call")
    rig.run(20)
    rig.expect(rig.fault("nosy"), SYSCALL)


def test_trace_is_given_to_who_may_control(rig):
    def reader(task):
        yield task.sleep(5)
        status = yield task.read_trace(task.cap("kernel"), 0)
        rig.log.append((status, len(task.arg) > 4 + 8))
        yield task.read_trace(task.cap("kernel"), None)

    rig.add("reader", reader, uses="kernel:control")
    rig.run(30)
    rig.expect(rig.log, [(0, True)])
    rig.expect(rig.fault("reader"), SYSCALL)
    found = [r[:2] for r in records(rig)[0]]
    if (EVENT_ENTERED, 0) not in found or (EVENT_STEP, 1) not in found:
        raise AssertionError(found)
    rig.expect(next(r for r in records(rig)[0] if r[2] & ~0xFF == SLEEP)[:2], (EVENT_STEP, 1))
