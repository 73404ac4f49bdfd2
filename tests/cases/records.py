"""Cases: what is kept of a fault of each kind, and of what ended the board's last run."""

import struct

from bulkhead.crashes import crash_text
from cases.rig import echo, idle, silent
from kernel.abi import (
    BUDGET, CALLING, EXCEPTION, FAULTED, FAULT_TEXT_BYTES, HEARTBEAT, INJECTED,
    KILLS_CAUGHT, MEMORY, PROTOCOL, RECEIVING, RETURNED, RUNNING, SERVED, STORM,
    SUPERVISOR_DIED, SYSCALL,
)  # fmt: skip
from kernel.boot import build
from kernel.limits import FAULTS_KEPT, MESSAGE_BYTES_MAX, STRIKES_MAX

_TASK, _KIND, _STATE, _OPERATION, _CLIENT, _PEER, _GENERATION, _UPTIME = range(8)


def fault_of(task, kernel, number):
    """Return the newest record of a task, of 0 that of the last run's end; None without one."""
    yield task.read_fault(kernel)
    places = range(0, 32 * (FAULTS_KEPT + 1), 32)
    kept = [struct.unpack("<8i", task.arg[at : at + 32]) for at in places]
    following = task.arg[-1]
    crash = kept.pop()
    if not number:
        return crash if crash[_KIND] else None
    newest = [one for one in kept[following:] + kept[:following] if one[_TASK] == number]
    return newest[-1] if newest else None


def reader(rig, script, *, after_ms=30):
    """Add a service that may read faults, and run `script(task, kernel)` in it after a while."""

    def main(task):
        yield task.sleep(after_ms)
        yield from script(task, task.cap("kernel"))
        yield task.recv()

    rig.add("reader", main, priority=0, uses="kernel:control")
    rig.run(after_ms + 120)
    rig.expect(rig.fault("reader"), 0)


def record_of(rig, number=1, *, after_ms=30):
    """Run the system and return the newest record of task `number`, None without one."""

    def script(task, kernel):
        rig.log.append((yield from fault_of(task, kernel, number)))

    reader(rig, script, after_ms=after_ms)
    return rig.log[-1]


def kept(rig, main, *, after_ms=30, **options):
    """Return kind, state and generation in the record of a service `main`."""
    rig.add("bad", main, **options)
    record = record_of(rig, after_ms=after_ms)
    rig.expect(record[_TASK], 1)
    return record[_KIND], record[_STATE], record[_GENERATION]


def raising(error):
    """Return a service that raises."""

    def main(task):
        raise error
        yield

    return main


def test_record_of_an_exception(rig):
    rig.expect(kept(rig, raising(ValueError("why"))), (EXCEPTION, RUNNING, 1))


def test_record_of_a_kill(rig):
    def main(task):
        while True:
            pass
        yield

    rig.expect(kept(rig, main, budget_ms=5), (BUDGET, RUNNING, 1))


def test_record_of_a_memory_error(rig):
    rig.expect(kept(rig, raising(MemoryError())), (MEMORY, RUNNING, 1))


def test_record_of_a_wrong_system_call(rig):
    def main(task):
        yield task.call(7 << 13, 1)

    rig.expect(kept(rig, main), (SYSCALL, RUNNING, 1))


def test_record_of_a_broken_protocol(rig):
    def server(task):
        yield task.recv()
        yield task.reply_fault()
        yield task.recv()

    def main(task):
        yield task.call(task.cap("server"), 9)

    rig.add("bad", main, uses="server:call")
    rig.add("server", server)
    record = record_of(rig)
    rig.expect((record[_KIND], record[_STATE], record[_PEER]), (PROTOCOL, SERVED, 2))


def stopped(rig, kind):
    """Return the record of a service that waits and is stopped with a fault of `kind`."""

    def script(task, kernel):
        yield task.stop(kernel, 1, kind)
        rig.log.append((yield from fault_of(task, kernel, 1)))

    rig.add("bad", idle)
    reader(rig, script)
    return rig.log[-1][_KIND], rig.log[-1][_STATE]


def test_record_of_a_missed_heartbeat(rig):
    rig.expect(stopped(rig, HEARTBEAT), (HEARTBEAT, RECEIVING))


def test_record_of_an_injected_fault(rig):
    rig.expect(stopped(rig, INJECTED), (INJECTED, RECEIVING))


def test_record_of_a_storm(rig):
    def driver(task):
        line = task.cap("line")
        yield task.acknowledge(line)
        while True:
            rig.port.fire(rig.line(0))
            yield task.recv()
            yield task.acknowledge(line)

    rig.add("bad", driver, lines=("line",), rate=3)
    rig.expect(record_of(rig)[_KIND], STORM)


def test_record_of_a_return(rig):
    def main(task):
        yield task.sleep(1)

    rig.expect(kept(rig, main)[0], RETURNED)


def test_record_names_the_client_and_the_operation_served(rig):
    def server(task):
        yield task.recv()
        raise ValueError("of this client")

    def client(task):
        yield task.call(task.cap("server"), 17)
        yield task.recv()

    rig.add("server", server)
    rig.add("client", client, uses="server:call")
    record = record_of(rig)
    rig.expect((record[_OPERATION], record[_CLIENT], record[_STATE]), (17, 2, RUNNING))


def test_record_names_the_peer_waited_for(rig):
    def client(task):
        yield task.call(task.cap("silent"), 1, None, 5000)

    def script(task, kernel):
        yield task.stop(kernel, 2, HEARTBEAT)
        rig.log.append((yield from fault_of(task, kernel, 2)))

    rig.add("silent", silent)
    rig.add("client", client, uses="silent:call")
    reader(rig, script)
    rig.expect((rig.log[-1][_PEER], rig.log[-1][_STATE] in (CALLING, SERVED)), (1, True))


def test_record_tells_the_time(rig):
    def main(task):
        yield task.sleep(20)
        rig.log.append(rig.port.uptime_ms())
        raise ValueError

    rig.add("bad", main)
    uptime_ms = record_of(rig, after_ms=60)[_UPTIME]
    rig.expect(0 <= uptime_ms - rig.log[0] <= 50, True)


def test_service_that_never_faulted_has_no_record(rig):
    rig.add("good", idle)
    rig.expect(record_of(rig), None)


def test_record_of_an_unknown_task_is_unknown(rig):
    rig.add("good", idle)
    rig.expect(record_of(rig, 77), None)


def test_stop_for_good_leaves_no_record(rig):
    def script(task, kernel):
        yield task.stop(kernel, 1)
        rig.log.append((yield from fault_of(task, kernel, 1)))

    rig.add("good", idle)
    reader(rig, script)
    rig.expect(rig.log, [None])


def test_records_of_the_newest_faults_are_kept(rig):
    for number in range(FAULTS_KEPT + 1):
        rig.add("bad%d" % number, raising(ValueError(str(number))))

    def script(task, kernel):
        for number in range(1, FAULTS_KEPT + 2):
            record = yield from fault_of(task, kernel, number)
            rig.log.append(record and record[_TASK])

    reader(rig, script)
    rig.expect(rig.log, [None] + list(range(2, FAULTS_KEPT + 2)))


def test_records_need_the_capability(rig):
    def main(task):
        yield task.read_fault(0)

    rig.add("bad", main)
    rig.run(20)
    rig.expect(rig.fault("bad"), SYSCALL)


def whole_text(rig, main, **options):
    """Return the traceback of a service `main`, read in pieces as a message may carry them."""

    def script(task, kernel):
        text = b""
        while True:
            yield task.fault_text(kernel, 1, len(text))
            if not task.arg:
                break
            rig.expect(len(task.arg) <= MESSAGE_BYTES_MAX, True)
            text += task.arg
        rig.log.append(text)

    rig.add("bad", main, **options)
    reader(rig, script, after_ms=60)
    return rig.log[-1]


def deep(levels):
    """Raise from that many calls down."""
    if levels == 0:
        raise ValueError(FAULT_TEXT_BYTES * "x" + "the end")
    deep(levels - 1)


def test_long_traceback_is_read_whole_in_pieces(rig):
    def main(task):
        raise ValueError("x" * 600)
        yield

    text = whole_text(rig, main)
    rig.expect((b"in main" in text, text.count(b"x") >= 600), (True, True))


def test_endless_traceback_keeps_its_end(rig):
    def main(task):
        deep(6)
        yield

    text = whole_text(rig, main)
    rig.expect((len(text), b"the end" in text), (FAULT_TEXT_BYTES, True))


def spin_for_ever():
    """Never return."""
    while True:
        pass


def test_exception_that_spins_when_it_is_printed_is_killed(rig):
    class Evil(Exception):
        def __str__(self):
            return spin_for_ever()

        __repr__ = __str__

    def main(task):
        raise Evil
        yield

    rig.add("good", idle)
    whole_text(rig, main, budget_ms=5)
    rig.expect(rig.state("good"), RECEIVING)


def test_exception_that_raises_when_it_is_printed_harms_nobody(rig):
    class Evil(Exception):
        def __str__(self):
            raise ValueError("in __str__")

        __repr__ = __str__

    def main(task):
        raise Evil
        yield

    rig.add("good", idle)
    whole_text(rig, main)
    rig.expect(rig.state("good"), RECEIVING)


def test_words_of_a_kill_outlive_the_next_kill(rig):
    def first(task):
        while True:
            pass
        yield

    def second(task):
        while True:
            pass
        yield

    rig.add("first", first, budget_ms=5)
    rig.add("second", second, budget_ms=5)
    rig.run(60)
    rig.expect(
        ("in first" in rig.words_of("first"), "in second" in rig.words_of("second")), (1, 1)
    )


def test_crash_is_kept_with_what_ran_and_given_once(rig):
    def main(task):
        rig.port.keep_crash(KILLS_CAUGHT)
        rig.log.append(rig.port.uptime_ms())
        yield task.sleep(1)
        yield task.recv()

    rig.add("good", idle)
    rig.add("culprit", main)
    rig.run(20)
    crash = rig.port.crash()
    rig.expect((crash[_TASK], crash[_KIND], crash[_STATE]), (2, KILLS_CAUGHT, RUNNING))
    rig.expect((crash[_GENERATION], 0 <= rig.log[0] - crash[_UPTIME] <= 50), (1, True))
    rig.expect(rig.port.crash(), None)


def test_crash_is_read_as_task_0_of_the_next_run(rig):
    def main(task):
        rig.port.keep_crash(SUPERVISOR_DIED)
        yield task.recv()

    rig.add("culprit", main)
    rig.run(5)
    rig.rows = []
    rig.kernel = None
    rig.add("culprit", idle)
    record = record_of(rig, 0)
    rig.expect((record[_TASK], record[_KIND]), (1, SUPERVISOR_DIED))
    rig.expect(crash_text(record, rig.rows), "culprit died too often")


def test_run_that_ended_well_leaves_no_crash(rig):
    rig.add("good", idle)
    rig.expect(record_of(rig, 0), None)
    rig.expect(rig.kernel.crash, None)


def test_crash_of_a_task_the_next_image_has_not_is_told_all_the_same(rig):
    rig.port.keep_crash = None
    rig.port.crash = lambda: (99, KILLS_CAUGHT, 2, 0, 0, 0, 1, 5)
    rig.add("good", idle)
    kernel = build(tuple(rig.rows), rig.port)
    rig.expect(crash_text(kernel.crash, rig.rows), "the kernel caught every kill")


def test_task_that_catches_every_kill_resets_the_board(rig):
    causes = [0]
    caught = [0]

    def panic(cause):
        causes[0] = cause

    def main(task):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                caught[0] += 1
            if causes[0]:
                break
        yield task.recv()

    rig.port.panic = panic
    rig.add("stubborn", main, budget_ms=5)
    rig.add("good", idle)
    rig.run(3000)
    rig.expect((causes[0], caught[0] >= STRIKES_MAX), (KILLS_CAUGHT, True))


def test_task_that_catches_all_kills_but_the_last_does_not_reset_the_board(rig):
    causes = [0]
    caught = [0]

    def panic(cause):
        causes[0] = cause

    def main(task):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                caught[0] += 1
            if caught[0] == STRIKES_MAX - 1:
                break
        yield task.recv()

    rig.port.panic = panic
    rig.add("stubborn", main, budget_ms=5)
    rig.run(3000)
    rig.expect((causes[0], caught[0], rig.fault("stubborn")), (0, STRIKES_MAX - 1, BUDGET))


def refused(rig, trap):
    """Return the words of a service that the kernel refuses a trap; it closes meanwhile."""

    def refused_one(task):
        try:
            yield task.sleep(1)
            yield trap(task)
            rig.log.append("it went on")
        finally:
            rig.log.append("closed")

    rig.add("echo", echo)
    rig.add("idle", idle)
    rig.add("refused", refused_one, uses="echo:call idle:notify")
    rig.run(40)
    rig.expect(rig.log, ["closed"])
    rig.expect(rig.fault("refused"), SYSCALL)
    return rig.words_of("refused")


def test_words_of_a_value_that_is_no_message_have_the_line_of_the_service(rig):
    words = refused(rig, lambda task: task.call(task.cap("echo"), 1, []))
    told = "BadMessage: not a message value" in words
    rig.expect((", in refused_one" in words, told), (True, True))


def test_words_of_a_right_that_is_not_there_name_it_and_the_line(rig):
    words = refused(rig, lambda task: task.call(task.cap("idle"), 1))
    told = "NoRight: its capability has no right to call" in words
    rig.expect((", in refused_one" in words, told), (True, True))


def no_trap(rig, word):
    words = refused(rig, lambda task: word)
    rig.expect((", in refused_one" in words, "NoRight: no trap: a " in words), (True, True))


def test_words_of_what_is_no_trap_have_the_line_of_the_service(rig):
    no_trap(rig, 31 << 8)


def test_a_small_number_is_no_trap(rig):
    no_trap(rig, 5)


def test_a_great_number_is_no_trap(rig):
    no_trap(rig, 1 << 30)


def test_a_negative_number_is_no_trap(rig):
    no_trap(rig, -(1 << 30))


def test_true_is_no_trap(rig):
    no_trap(rig, True)


def test_a_service_that_catches_what_was_refused_has_ended_all_the_same(rig):
    def stubborn(task):
        yield task.sleep(1)
        for _ in range(3):
            try:
                yield task.call(task.cap("echo"), 1, [])
            except Exception:
                rig.log.append("caught")
        rig.log.append("went on")
        yield task.recv()

    rig.add("echo", echo)
    rig.add("stubborn", stubborn, uses="echo:call")
    rig.run(40)
    rig.expect(rig.log, ["caught"])
    rig.expect(rig.state("stubborn"), FAULTED)
    rig.expect(", in stubborn" in rig.words_of("stubborn"), True)
