"""Cases: what a service keeps for its next incarnation, and a reset in the name of a task."""

from bulkhead import OK, UNKNOWN
from cases.faults import control
from cases.rig import idle
from kernel.abi import GIVEN_UP, SYSCALL


def stasher(rig, stash, then):
    """Return a service that logs what it is given back, stashes, and goes on to `then`."""

    def main(task):
        status = yield task.unstash()
        rig.log.append((status, task.arg))
        yield task.stash(stash)
        yield task.sleep(1)
        then(len(rig.log))
        while True:
            yield task.recv()

    return main


def fail_thrice(incarnation):
    if incarnation < 4:
        raise ValueError


def restarting(rig, wait_ms=3):
    """Return a control script that starts service 1 again whenever it has failed."""

    def script(task, kernel):
        for _ in range(3):
            yield task.sleep(wait_ms)
            while (yield task.start(kernel, 1)) != OK:  # it has not failed yet
                yield task.sleep(wait_ms)

    return script


def test_what_is_stashed_comes_to_the_next_incarnation(rig):
    value = (7, "seven", b"\x07")
    control(rig, restarting(rig), ("keeper", stasher(rig, value, fail_thrice), {}))
    rig.expect(rig.log, [(UNKNOWN, None)] + [(OK, value)] * 3)


def test_a_stash_is_given_once(rig):
    def main(task):
        status = yield task.unstash()
        rig.log.append((status, task.arg))
        if len(rig.log) == 1:
            yield task.stash("once")
        raise ValueError

    control(rig, restarting(rig), ("keeper", main, {}))
    rig.expect(rig.log, [(UNKNOWN, None), (OK, "once"), (UNKNOWN, None), (UNKNOWN, None)])


def test_a_stash_does_not_outlive_a_stop_on_purpose(rig):
    def script(task, kernel):
        yield task.sleep(3)
        yield task.stop(kernel, 1)
        yield task.start(kernel, 1)

    control(rig, script, ("keeper", stasher(rig, "kept", bool), {}))
    rig.expect(rig.log, [(UNKNOWN, None)] * 2)


def test_a_stash_is_a_message_value(rig):
    changing = bytearray(b"copied")

    def main(task):
        yield task.unstash()
        rig.log.append(task.arg)
        if len(rig.log) == 2:
            yield task.stash(bytes(257))
        yield task.stash(changing)
        changing[0] = 0
        raise ValueError

    def script(task, kernel):
        yield task.sleep(3)
        yield task.start(kernel, 1)

    control(rig, script, ("keeper", main, {}))
    rig.expect(rig.log, [None, b"copied"])
    rig.expect(rig.fault("keeper"), SYSCALL)


def test_the_board_is_reset_in_the_name_of_a_task(rig):
    causes = []

    def panic(cause):
        rig.port.keep_crash(cause)
        causes.append(rig.port.crash()[:2])

    def script(task, kernel):
        yield task.sleep(1)
        rig.port.panic = panic
        yield task.reset_board(kernel, 1, GIVEN_UP)

    control(rig, script, ("bad", idle, {}))
    rig.expect(causes, [(1, GIVEN_UP)])
