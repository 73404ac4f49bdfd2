"""Who has the main level: the kernel's own loop, a guest program, or the prompt."""

from kernel.layout import PROGRAM, PROMPT
from kernel.levels import lend_main_level
from kernel.limits import SUPERVISOR_FAULTS_MAX


def ticker(rig, name="tick", *, ms=5):
    """Return a service that notes its name every few milliseconds."""

    def main(task):
        while True:
            rig.log.append(name)
            yield task.sleep(ms)

    return main


def hander(rig, line, *, after_ms=20):
    """Return a driver that hands its line over once, then notes that it goes on."""

    def main(task):
        handle = task.cap(line)
        yield task.acknowledge(handle)
        yield task.sleep(after_ms)
        yield task.hand_over(handle)
        rig.log.append("handed")
        yield task.acknowledge(handle)
        while True:
            yield task.sleep(1000)

    return main


def run_guest(rig, program):
    """Run `program` as the guest; return whether a Ctrl-C has ended it."""
    rig.start()
    lend_main_level(rig.kernel, PROGRAM)
    try:
        program()
    except KeyboardInterrupt:
        return True
    finally:
        rig.port.stop_tick()
    return False


def test_services_run_above_a_guest_program(rig):
    rig.add("ticker", ticker(rig))

    def program():
        while len(rig.log) < 5:
            pass

    rig.expect(run_guest(rig, program), False)
    rig.expect(rig.port.guest, PROGRAM)


def test_guest_program_has_no_budget(rig):
    rig.add("ticker", ticker(rig, ms=60), budget_ms=20)

    def program():
        while len(rig.log) < 3:
            pass

    rig.expect(run_guest(rig, program), False)
    rig.expect(rig.generation("ticker"), 1)


def test_service_that_hogs_a_guest_program_is_killed(rig):
    def hog(task):
        while True:
            pass
        yield task.sleep(1)

    rig.add("hog", hog)
    rig.add("ticker", ticker(rig), priority=5)

    def program():
        while len(rig.log) < 3:
            pass

    rig.expect(run_guest(rig, program), False)
    rig.expect(rig.generation("hog"), 2)
    rig.expect(rig.generation("ticker"), 1)


def test_handing_the_console_over_interrupts_the_guest_program_alone(rig):
    rig.add("console", hander(rig, "console"), lines=("console",))
    rig.add("ticker", ticker(rig))

    def program():
        while True:
            pass

    rig.expect(run_guest(rig, program), True)
    rig.expect(rig.port.guest, PROMPT)
    rig.expect((rig.generation("console"), rig.generation("ticker")), (1, 1))


def test_handing_the_console_over_ends_the_main_level_and_harms_nobody(rig):
    rig.add("console", hander(rig, "console"), lines=("console",))
    rig.add("ticker", ticker(rig))
    rig.run(1000)
    rig.expect(rig.port.guest, PROMPT)
    if not 3 <= rig.log.count("tick") <= 20:  # not the second that the run had
        raise AssertionError(rig.log)
    rig.expect((rig.generation("console"), rig.generation("ticker")), (1, 1))


def test_services_go_on_above_the_prompt_until_the_main_level_is_taken_back(rig):
    rig.add("console", hander(rig, "console"), lines=("console",))
    rig.add("ticker", ticker(rig))
    rig.run(1000)
    wanted = len(rig.log) + 5

    def at_the_prompt():
        while len(rig.log) < wanted:
            pass

    lend_main_level(rig.kernel, PROMPT)
    at_the_prompt()
    rig.run(50)
    rig.expect((rig.generation("console"), rig.generation("ticker")), (1, 1))


def test_handing_another_line_over_is_an_acknowledgement(rig):
    rig.add("driver", hander(rig, "button"), lines=("button",))
    rig.add("ticker", ticker(rig))
    rig.run(100)
    if rig.log.count("tick") < 10:
        raise AssertionError(rig.log)
    rig.expect(rig.log.count("handed"), 1)


def test_supervisor_that_starts_at_a_full_heap_waits_until_the_guest_lets_it_go(rig):
    is_full = [True]

    def supervisor(task):
        rig.log.append("start")
        if is_full[0]:
            raise MemoryError
        yield task.sleep(5)
        rig.log.append("runs")
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0)

    def program():
        while len(rig.log) < 4:
            pass
        is_full[0] = False
        while "runs" not in rig.log:
            pass

    rig.expect(run_guest(rig, program), False)
    rig.expect(rig.log, ["start"] * 5 + ["runs"])
    rig.expect((rig.generation("supervisor"), rig.fault("supervisor")), (1, 0))


def test_guest_that_never_lets_the_heap_go_is_interrupted_before_the_board_is_reset(rig):
    is_full = [True]

    def supervisor(task):
        yield task.sleep(1)
        if is_full[0]:
            raise MemoryError
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0)

    def program():
        while True:
            pass

    rig.expect(run_guest(rig, program), True)
    is_full[0] = False
    rig.expect(rig.port.guest, PROMPT)
    rig.expect(rig.generation("supervisor"), SUPERVISOR_FAULTS_MAX + 2)
