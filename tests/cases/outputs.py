"""Cases: what a service drove is in its safe state once it has ended, whatever ended it."""

from bulkhead import OK
from cases.ports import HIGH, INPUT_UP, LOW
from cases.rig import burn_us, control, controlled, idle
from bulkhead.terms import CRASH
from kernel.abi import (
    ASK, ATTENDING, BUDGET, DORMANT, EXCEPTION, FAULTED, HEARTBEAT, LOAD, MEMORY, RECEIVING,
    RETURNED, REVERT, STORM, SWAP, SYSCALL,
)  # fmt: skip
from kernel.layout import DRIVEN, OUTER, RECORD_SHIFT
from micropython import const

_HEAT = const(2)  # safe when low
_VALVE = const(3)  # safe when high
_BUS = const(4)  # safe when let go, with a pull up
_BUDGET_MS = const(5)
OUTPUTS = (_HEAT, LOW, _VALVE, HIGH, _BUS, INPUT_UP)
SAFE = (0, 1, 1)
DRIVEN_LEVELS = (1, 0, 0)


def levels(rig):
    pins = rig.port.pins
    return pins.level(_HEAT), pins.level(_VALVE), pins.level(_BUS)


def set_up(rig):
    pins = rig.port.pins
    pins.set_up(_HEAT, 1)
    pins.set_up(_VALVE, 0)
    pins.set_up(_BUS, 0)


def driver(rig, end=None):
    """Return a driver that heats, and after 3 ms ends as `end(task)` does."""

    def main(task):
        set_up(rig)
        yield task.sleep(3)
        rig.log.append(levels(rig))
        if end is not None:
            yield from end(task)
        yield task.recv()

    return main


def since(rig, name="driver"):
    return rig.kernel.held_ms[rig.kernel.number(name)]


def ends(rig, end, kind, state=FAULTED, **options):
    """Run a driver that ends so, and see its outputs safe from then on."""
    rig.add("driver", driver(rig, end), outputs=OUTPUTS, **options)
    rig.run(60)
    rig.expect(rig.log[0], DRIVEN_LEVELS)
    rig.expect((rig.state("driver"), rig.fault("driver")), (state, kind))
    rig.expect(levels(rig), SAFE)
    rig.expect(since(rig) != DRIVEN, True)


def test_outputs_are_safe_after_an_exception(rig):
    def end(task):
        raise ValueError("the reason")
        yield

    ends(rig, end, EXCEPTION)


def test_outputs_are_safe_after_a_return(rig):
    def main(task):
        set_up(rig)
        rig.log.append(levels(rig))
        yield task.sleep(3)

    rig.add("driver", main, outputs=OUTPUTS)
    rig.run(10)
    rig.expect((rig.log, rig.fault("driver"), levels(rig)), ([DRIVEN_LEVELS], RETURNED, SAFE))


def test_outputs_are_safe_after_a_wrong_trap(rig):
    def end(task):
        yield 31 << 8

    ends(rig, end, SYSCALL)


def test_outputs_are_safe_after_a_full_heap(rig):
    def end(task):
        raise MemoryError
        yield

    ends(rig, end, MEMORY)


def test_outputs_are_safe_after_a_kill(rig):
    def end(task):
        while True:
            pass
        yield

    ends(rig, end, BUDGET)


def test_outputs_are_safe_from_the_second_strike_on_where_kills_are_caught(rig):
    def end(task):
        for caught in range(3):
            try:
                while True:
                    pass
            except KeyboardInterrupt:
                rig.log.append((caught, levels(rig)))
        yield task.sleep(1)

    ends(rig, end, BUDGET)
    rig.expect(rig.log[2:], [(1, SAFE), (2, SAFE)])


def test_outputs_are_safe_2_ms_after_the_budget_while_a_call_of_c_goes_on(rig):
    def end(task):
        trap = task.sleep(1)
        stall = rig.port.stall  # where that has a branch it is killed there
        stall(_BUDGET_MS * 1000 + 1_000)
        stall(2_500)
        found = levels(rig)
        rig.log.append(found)
        yield trap

    ends(rig, end, BUDGET, budget_ms=_BUDGET_MS)
    rig.expect(rig.log[1:] in ([SAFE], []), True)


def test_code_that_catches_a_kill_and_makes_its_trap_under_the_next_is_ended(rig):
    def main(task):
        trap = task.sleep(1)
        try:
            while True:
                pass
        except KeyboardInterrupt:
            rig.port.stall(2_500)  # and no branch before the trap
            yield trap

    rig.add("stubborn", main)
    rig.run(60)
    rig.expect((rig.state("stubborn"), rig.fault("stubborn")), (FAULTED, BUDGET))


def test_outputs_that_a_finally_block_drives_are_safe_after_it(rig):
    def end(task):
        try:
            yield task.sleep(100)
        finally:
            rig.log.append(levels(rig))
            set_up(rig)

    def script(task, kernel):
        yield task.sleep(5)
        yield task.stop(kernel, 1, HEARTBEAT)

    control(rig, script, ("driver", driver(rig, end), {"outputs": OUTPUTS}))
    rig.expect((rig.log, levels(rig)), ([DRIVEN_LEVELS, SAFE], SAFE))


def test_outputs_are_safe_as_the_stop_returns(rig):
    def script(task, kernel):
        yield task.sleep(5)
        rig.log.append(levels(rig))
        yield task.stop(kernel, 1)
        rig.log.append(levels(rig))

    control(rig, script, ("driver", driver(rig), {"outputs": OUTPUTS}))
    rig.expect(rig.log, [DRIVEN_LEVELS, DRIVEN_LEVELS, SAFE])
    rig.expect(rig.state("driver"), DORMANT)


def test_outputs_of_a_preempted_task_are_safe_as_its_stop_returns(rig):
    def spin(task):
        set_up(rig)
        while True:
            pass
        yield

    def stopper(task):
        yield task.sleep(5)
        rig.log.append(rig.kernel.words[OUTER] >> RECORD_SHIFT)
        yield task.stop(task.cap("kernel"), 1)
        rig.log.append(levels(rig))

    rig.add("driver", spin, priority=5, budget_ms=40, outputs=OUTPUTS)
    rig.add("stopper", stopper, priority=0, uses="kernel:control")
    rig.run(20)
    rig.expect(rig.log, [1, SAFE])
    rig.expect((rig.state("driver"), levels(rig)), (DORMANT, SAFE))


def test_what_a_dead_service_has_left_running_moves_no_output(rig):
    def end(task):
        raise ValueError
        yield

    rig.add("driver", driver(rig, end), outputs=OUTPUTS)
    rig.add("other", idle)
    pins = rig.port.pins
    rig.port.at(10, lambda: (pins.drive(_HEAT, 1), pins.drive(_VALVE, 0)))
    rig.run(20)
    rig.expect(levels(rig), SAFE)


def test_next_incarnation_begins_with_safe_outputs_and_drives_them(rig):
    def main(task):
        rig.log.append(levels(rig))
        rig.port.pins.drive(_VALVE, 0)  # an output already, as it was left
        rig.log.append(levels(rig))
        yield task.recv()

    def script(task, kernel):
        for _ in range(2):
            yield task.sleep(5)
            yield task.stop(kernel, 1, HEARTBEAT)
            yield task.sleep(5)
            rig.log.append(levels(rig))
            yield task.start(kernel, 1)

    control(rig, script, ("driver", main, {"outputs": OUTPUTS}))
    rig.expect(rig.log, [SAFE, (0, 0, 1), SAFE] * 2 + [SAFE, (0, 0, 1)])
    rig.expect(since(rig), DRIVEN)


def test_outputs_are_safe_before_the_first_service_starts(rig):
    set_up(rig)
    rig.add("first", lambda task: (yield task.recv()))
    rig.add("driver", driver(rig), priority=7, outputs=OUTPUTS)
    rig.start()
    rig.expect(levels(rig), SAFE)


def test_time_since_outputs_are_safe_is_that_of_the_end(rig):
    def script(task, kernel):
        yield task.sleep(5)
        yield task.stop(kernel, 1, HEARTBEAT)
        rig.log.append(since(rig))
        yield task.sleep(5)
        rig.log.append(since(rig))

    controlled(rig, script, ("driver", driver(rig), {"outputs": OUTPUTS}))
    rig.expect(rig.log[1] == rig.log[2] != DRIVEN, True)
    rig.expect(rig.port.uptime_ms() - rig.log[2] >= 4, True)


def test_outputs_of_others_stay_as_they_are(rig):
    def bad(task):
        rig.port.pins.set_up(_BUS, 0)
        yield task.sleep(5)
        raise ValueError

    def good(task):
        rig.port.pins.set_up(_HEAT, 1)
        rig.port.pins.set_up(_VALVE, 0)
        yield task.recv()

    rig.add("bad", bad, outputs=(_BUS, INPUT_UP))
    rig.add("good", good, outputs=(_HEAT, LOW, _VALVE, HIGH))
    rig.run(10)
    rig.expect((rig.fault("bad"), levels(rig)), (EXCEPTION, (1, 0, 1)))
    rig.expect(since(rig, "good"), DRIVEN)


class Kept:
    """Leaves the outputs as they are over an update."""

    def export_state(self):
        return True

    def import_state(self, _version, _state):
        pass


def updated(rig, script):
    """Run `script(task, kernel)` beside a driver that can be updated."""

    def old(task):
        if not task.carry_over(Kept()):
            set_up(rig)
        while True:
            yield task.recv()

    control(rig, script, ("driver", old, {"outputs": OUTPUTS}))


def test_live_update_leaves_outputs_alone(rig):
    def new(task):
        task.carry_over(Kept())
        rig.log.append(levels(rig))
        yield task.recv()

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, new)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield task.sleep(5)
        rig.log.append((yield task.replace(kernel, 1, ASK)))

    updated(rig, script)
    rig.expect(rig.log, [OK, DRIVEN_LEVELS, OK])
    rig.expect((levels(rig), since(rig)), (DRIVEN_LEVELS, DRIVEN))


def test_outputs_are_safe_as_a_failed_update_is_taken_back(rig):
    def new(task):
        task.carry_over(Kept())
        rig.log.append(levels(rig))
        raise ValueError
        yield

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, new)
        yield task.replace(kernel, 1, SWAP, 1)
        yield task.sleep(5)

    updated(rig, script)
    rig.expect(rig.log, [DRIVEN_LEVELS])
    rig.expect((rig.state("driver"), levels(rig), since(rig)), (RECEIVING, SAFE, DRIVEN))


def test_outputs_are_safe_as_an_update_is_taken_back_while_it_runs(rig):
    def new(task):
        task.carry_over(Kept())
        yield task.recv()

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, new)
        yield task.replace(kernel, 1, SWAP, 1)
        yield task.sleep(5)
        rig.log.append(levels(rig))
        rig.log.append((yield task.replace(kernel, 1, REVERT)))
        rig.log.append(levels(rig))

    updated(rig, script)
    rig.expect(rig.log, [DRIVEN_LEVELS, OK, SAFE])
    rig.expect((rig.state("driver"), levels(rig), since(rig)), (RECEIVING, SAFE, DRIVEN))


def closes_by_driving(rig, is_kept):
    """Return new code that drives its outputs as it is closed; it may come to be on probation."""

    def new(task):
        task.carry_over(Kept())
        try:
            if is_kept:
                yield task.recv()
            yield 31 << 8  # no trap
        finally:
            set_up(rig)

    return new


def test_outputs_that_code_drives_which_is_taken_back_are_safe(rig):
    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, closes_by_driving(rig, True))
        yield task.replace(kernel, 1, SWAP, 1)
        yield task.sleep(5)
        rig.log.append((yield task.replace(kernel, 1, REVERT)))
        rig.log.append(levels(rig))

    updated(rig, script)
    rig.expect(rig.log, [OK, SAFE])
    rig.expect((rig.state("driver"), levels(rig), since(rig)), (RECEIVING, SAFE, DRIVEN))


def test_outputs_that_code_drives_which_does_not_start_are_safe(rig):
    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, closes_by_driving(rig, False))
        yield task.replace(kernel, 1, SWAP, 1)
        yield task.sleep(5)

    updated(rig, script)
    rig.expect((rig.state("driver"), levels(rig), since(rig)), (RECEIVING, SAFE, DRIVEN))


def test_outputs_that_are_held_until_the_next_start_stay_safe_through_updates(rig):
    def new(task):
        task.carry_over(Kept())
        yield task.recv()

    def script(task, kernel):
        yield task.make_safe(kernel, 1)
        yield task.replace(kernel, 1, LOAD, new)
        for verb in SWAP, REVERT:
            rig.log.append((yield task.replace(kernel, 1, verb, 1)))
            yield task.sleep(5)
            rig.log.append((levels(rig), since(rig) != DRIVEN))
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)
        yield task.sleep(5)

    updated(rig, script)
    rig.expect(rig.log, [OK, (SAFE, True), OK, (SAFE, True)])
    rig.expect((levels(rig), since(rig)), (DRIVEN_LEVELS, DRIVEN))


def hard_driver(rig, error, kind, rate):
    """Have a hard driver raise, or its line storm; see its outputs as that interrupt returns."""

    def main(task):
        set_up(rig)
        yield task.acknowledge(task.cap("edge"))
        while True:
            yield task.recv()
            if error is not None:
                raise error
            yield task.acknowledge(task.cap("edge"))

    def source(task):
        yield task.sleep(5)
        rig.log.append((rig.state("driver"), levels(rig)))
        for _ in range(rate + 1):
            rig.port.fire(rig.line(0))
        rig.log.append(levels(rig))
        burn_us(rig, 1_000)
        rig.log.append(levels(rig))
        yield task.recv()

    rig.add("driver", main, priority=7, lines=("edge",), hard=True, rate=rate, outputs=OUTPUTS)
    rig.add("source", source, priority=0, budget_ms=200)
    rig.run(20)
    rig.expect(rig.log, [(ATTENDING, DRIVEN_LEVELS), SAFE, SAFE])
    rig.expect((rig.fault("driver"), levels(rig)), (kind, SAFE))


def test_outputs_of_a_hard_driver_that_raises_are_safe_before_its_interrupt_returns(rig):
    hard_driver(rig, ValueError("the reason"), EXCEPTION, rate=1)


def test_outputs_of_a_hard_driver_are_safe_as_its_line_storms(rig):
    hard_driver(rig, None, STORM, rate=3)


def test_outputs_of_a_hard_driver_in_which_a_crash_is_injected_are_safe(rig):
    def main(task):
        set_up(rig)
        yield task.acknowledge(task.cap("edge"))
        while True:
            yield task.recv()

    def script(task, kernel):
        yield task.sleep(5)
        yield task.inject(kernel, 1, CRASH)
        yield task.sleep(5)
        rig.log.append(levels(rig))

    options = {"lines": ("edge",), "hard": True, "outputs": OUTPUTS}
    control(rig, script, ("driver", main, options))
    rig.expect((rig.log, rig.state("driver")), ([SAFE], FAULTED))
