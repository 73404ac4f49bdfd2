"""Cases: the trace."""

from cases.rig import echo
from kernel.abi import (
    BUDGET, CALL, EVENT_FAULT, EVENT_INTERRUPT, EVENT_OVERRAN, EVENT_STARTED, EVENT_STEP,
    REPLY_RECV,
)  # fmt: skip
from kernel.layout import TRACE_AT, TRACE_END, TRACE_LAPS
from kernel.limits import TRACE_RECORDS, TRACE_REPEATS_MAX


def records(rig):
    """Return what the trace holds but for the newest: (event, task number, detail, repeats)."""
    w = rig.kernel.words
    first = w[TRACE_END] - 2 * TRACE_RECORDS
    newest = (w[TRACE_AT] - first) // 2
    found = []
    for index in range(newest + 1, newest + TRACE_RECORDS):
        time_us, what = w[first + 2 * (index % TRACE_RECORDS) :][:2]
        if time_us or what:
            found.append((what >> 20 & 15, what >> 13 & 127, what & 0x1FFF, what >> 24))
    return found


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
    found = records(rig)
    call = (EVENT_STEP, 2, CALL | 5, 0)
    if call not in found or found[found.index(call) + 1][:3] != (EVENT_STEP, 1, REPLY_RECV):
        raise AssertionError(found)


def test_trace_tells_of_starts_and_faults(rig):
    def crash(task):
        yield task.sleep(1)
        raise ValueError("on purpose")

    rig.add("crash", crash)
    rig.run(20)
    found = records(rig)
    rig.expect([r[:2] for r in found if r[0] == EVENT_STARTED], [(EVENT_STARTED, 1)])
    rig.expect([r[:3] for r in found if r[0] == EVENT_FAULT], [(EVENT_FAULT, 1, 1)])


def test_trace_tells_of_an_overrun(rig):
    def spin(task):
        while True:
            pass
        yield

    rig.add("spin", spin, budget_ms=10)
    rig.run(60)
    events = [r for r in records(rig) if r[0] in (EVENT_OVERRAN, EVENT_FAULT)]
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
    found = [r[:3] for r in records(rig) if r[0] == EVENT_INTERRUPT]
    rig.expect(found, [(EVENT_INTERRUPT, 1, 0)])


def test_trace_folds_what_repeats(rig):
    def pacer(task):
        for _ in range(TRACE_REPEATS_MAX + 11):
            yield task.sleep(0)
        yield task.recv()

    rig.add("pacer", pacer)
    rig.run(60)
    steps = [r[3] for r in records(rig) if r[0] == EVENT_STEP and r[1] == 1 and r[2] == 0]
    rig.expect(steps, [TRACE_REPEATS_MAX, 9])


def test_trace_keeps_the_newest(rig):
    rig.add("echo", echo)
    rig.add("client", caller(rig, 2 * TRACE_RECORDS), uses="echo:call")
    rig.run(300)
    rig.expect(len(records(rig)), TRACE_RECORDS - 1)
    if rig.kernel.words[TRACE_LAPS] < 3:
        raise AssertionError(rig.kernel.words[TRACE_LAPS])
