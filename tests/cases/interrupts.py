"""Cases: interrupt lines, from firing to the driver's notification and back."""

from bulkhead import NOTIFIED, TIMEOUT
from cases.rig import burn_us, control, idle
from kernel.abi import INJECTED, OK, STORM, SYSCALL
from kernel.layout import LINE_COUNT, LINE_MASKED, QUIET, SCHEDULED, TASKS_END


def driver(rig):
    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            status = yield task.recv()
            rig.log.append((status, task.bits()))
            yield task.acknowledge(line)

    return main


def test_interrupt_reaches_its_driver_as_a_notification(rig):
    rig.add("driver", driver(rig), lines=("edge",))
    rig.start()
    rig.port.at(5, lambda: rig.port.fire(rig.line(0)))
    rig.run(20)
    rig.expect(rig.log, [(NOTIFIED, 1)])


def test_interrupt_preempts_a_spinning_service(rig):
    def periodic(task):
        yield task.sleep(5)
        rig.port.fire(rig.line(0))
        yield task.sleep(2)
        rig.log.append("after")
        yield task.recv()

    def spin(task):
        while True:
            pass
        yield

    rig.add("driver", driver(rig), priority=1, lines=("edge",))
    rig.add("periodic", periodic, priority=2)
    rig.add("spin", spin, priority=7, budget_ms=500)
    rig.run(30)
    rig.expect(rig.log, [(NOTIFIED, 1), "after"])


def test_line_is_masked_until_its_driver_acknowledges(rig):
    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        yield task.recv()
        rig.port.fire(rig.line(0))
        rig.log.append((yield task.recv(5)))
        yield task.acknowledge(line)
        rig.port.fire(rig.line(0))
        rig.log.append((yield task.recv(5)))
        yield task.recv()

    rig.add("driver", main, lines=("edge",))
    rig.start()
    rig.port.at(3, lambda: rig.port.fire(rig.line(0)))
    rig.run(40)
    rig.expect(rig.log, [192, NOTIFIED])
    rig.expect(rig.kernel.words[rig.kernel.words[TASKS_END] + LINE_COUNT], 2)


def meets_a_call(rig, arg):
    """Fire a line while the kernel hands its driver a message: both arrive, once each."""

    def main(task):
        yield task.acknowledge(task.cap("edge"))
        while True:
            operation = yield task.recv()
            rig.log.append(operation)
            if task.caller():
                yield task.reply(OK)

    def client(task):
        yield task.sleep(2)
        rig.kernel.words[SCHEDULED] = 1  # the request comes to nothing: the loop looks first
        rig.port.fire(rig.line(0))
        status = yield task.call(task.cap("driver"), 7, arg)
        rig.kernel.words[SCHEDULED] = 0
        rig.log.append(status)
        yield task.recv()

    rig.add("driver", main, priority=2, lines=("edge",))
    rig.add("client", client, priority=4, uses="driver:call")
    rig.run(20)
    rig.expect(sorted(rig.log), [OK, 7, NOTIFIED])


def test_interrupt_meets_a_call_to_its_driver(rig):
    meets_a_call(rig, 1)


def test_interrupt_meets_a_call_that_takes_the_long_way(rig):
    meets_a_call(rig, (1, 2))


def test_line_that_fires_as_a_call_times_out_harms_no_queue(rig):
    """The server is at hand, in no queue, as it loses its client's priority and a line fires."""

    def server(task):
        yield task.sleep(1)
        yield task.recv()
        burn_us(rig, 1000)
        rig.port.fire(rig.line(0))
        burn_us(rig, 4000)  # on top of the hog, where nothing preempts it
        yield task.send(task.cap("log"), 1)
        yield task.recv(1)
        rig.log.append("server")
        yield task.recv()

    def client(task):
        yield task.sleep(4)
        rig.log.append((yield task.call(task.cap("server"), 1, None, 2)))
        yield task.recv()

    def equal(task):
        for _ in range(3):
            yield task.sleep(3)
        rig.log.append("equal")
        yield task.recv()

    def hog(task):
        while True:
            burn_us(rig, 9000)
            yield task.sleep(1)

    rig.add("log", idle, priority=5, mailbox=(4, 0))
    rig.add("server", server, priority=4, uses="log:send")
    rig.add("equal", equal, priority=4)
    rig.add("client", client, priority=2, uses="server:call")
    rig.add("driver", driver(rig), priority=5, lines=("edge",))
    rig.add("hog", hog, priority=6)
    rig.run(60)
    rig.expect(set(rig.log), {(NOTIFIED, 1), TIMEOUT, "equal", "server"})


def test_each_line_of_a_driver_has_its_bit(rig):
    def main(task):
        for name in ("one", "two", "three"):
            yield task.acknowledge(task.cap(name))
        while True:
            yield task.recv()
            rig.log.append(task.bits())

    rig.add("driver", main, lines=("one", "two", "three"))
    rig.start()
    rig.port.at(3, lambda: rig.port.fire(rig.line(2)))
    rig.port.at(6, lambda: rig.port.fire(rig.line(1)))
    rig.run(20)
    rig.expect(rig.log, [4, 2])


def test_lines_of_a_dead_driver_are_masked(rig):
    def main(task):
        yield task.acknowledge(task.cap("edge"))
        yield task.recv()
        raise ValueError

    rig.add("driver", main, lines=("edge",))
    rig.add("other", idle)
    rig.start()
    for time in (3, 6, 9):
        rig.port.at(time, lambda: rig.port.fire(rig.line(0)))
    rig.run(20)
    rig.expect(rig.kernel.words[rig.kernel.words[TASKS_END] + LINE_COUNT], 1)


def test_acknowledging_a_line_of_another_is_a_syscall_fault(rig):
    def main(task):
        yield task.acknowledge(1 << 13)

    rig.add("driver", idle, lines=("edge",))
    rig.add("thief", main)
    rig.run(5)
    rig.expect(rig.fault("thief"), SYSCALL)


def storm(rig, firings, rate):
    """Fire a line once every 2 ms, its driver acknowledging at once."""

    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            yield task.recv()
            rig.log.append("fired")
            yield task.acknowledge(line)

    def source(task):
        for _ in range(firings):
            yield task.sleep(2)
            rig.port.fire(rig.line(0))
        yield task.recv()

    rig.add("driver", main, priority=1, lines=("edge",), rate=rate)
    rig.add("source", source, priority=2)
    rig.run(60)


def test_line_at_its_declared_rate_is_served(rig):
    storm(rig, 10, 10)
    rig.expect(rig.log, ["fired"] * 10)
    rig.expect(rig.fault("driver"), 0)


def test_line_above_its_declared_rate_faults_its_driver(rig):
    storm(rig, 15, 10)
    rig.expect(rig.log, ["fired"] * 11)
    rig.expect(rig.fault("driver"), STORM)
    rig.expect(rig.kernel.words[rig.kernel.words[TASKS_END] + LINE_MASKED], QUIET)


def test_firings_of_before_are_not_held_against_the_next_incarnation(rig):
    def script(task, kernel):
        for _ in range(2):
            for _ in range(8):
                rig.port.fire(rig.line(0))
                yield task.sleep(2)
            yield task.stop(kernel, 1, INJECTED)
            yield task.start(kernel, 1)
            yield task.sleep(2)

    def driver(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            yield task.recv()
            rig.log.append("fired")
            yield task.acknowledge(line)

    control(rig, script, ("driver", driver, {"priority": 1, "lines": ("edge",), "rate": 10}))
    rig.expect(rig.log, ["fired"] * 16)
    rig.expect(rig.fault("driver"), INJECTED)


def test_rate_is_judged_by_the_second(rig):
    def main(task):
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            yield task.recv()
            rig.log.append("fired")
            yield task.acknowledge(line)

    def source(task):
        for _ in range(4):
            for _ in range(2):
                yield task.sleep(2)
                rig.port.fire(rig.line(0))
            yield task.sleep(1000)
        yield task.recv()

    rig.add("driver", main, priority=1, lines=("edge",), rate=2)
    rig.add("source", source, priority=2)
    rig.run(4200)
    rig.expect(rig.log, ["fired"] * 8)
    rig.expect(rig.fault("driver"), 0)
