"""Cases: a hard driver's code is exchanged, and its line fires meanwhile."""

from bulkhead import NOTIFIED, OK
from cases.rig import control
from kernel.abi import ATTENDING, DEAD, LOAD, SWAP, UNKNOWN
from kernel.layout import DRIVEN, LINE_COUNT, TASKS_END
from micropython import const

# What services note, beside statuses; hard ones may not allocate.
FIRED = const(1000)
OLD = const(1001)
NEW = const(1002)


def fire(rig):
    rig.port.fire(rig.line(0))


class Struck:
    """What a hard driver hands over, or cannot; its line fires meanwhile."""

    def __init__(self, rig, error=None):
        self.rig = rig
        self.error = error

    def export_state(self):
        fire(self.rig)
        self.rig.note(FIRED)
        if self.error is not None:
            raise self.error
        return True

    def import_state(self, _version, _state):
        pass


def driver(rig, mark, cannot=None, fails=None):
    """Return a hard driver that notes each step, and its end.

    `cannot` is why it hands nothing over, `fails` what its steps raise.
    """

    def main(task):
        task.carry_over(Struck(rig, cannot))
        line = task.cap("edge")
        yield task.acknowledge(line)
        try:
            while True:
                rig.note((yield task.recv()))
                rig.note(mark)
                if fails is not None:
                    raise fails
                yield task.acknowledge(line)
        finally:
            rig.note(DEAD)

    return main


def exchanged(rig, old, new, status=OK):
    """Fire the line as code is exchanged, and after; return what was noted."""

    def script(task, kernel):
        yield task.replace(kernel, 1, LOAD, new)
        rig.log.append((yield task.replace(kernel, 1, SWAP, 1)))
        yield task.sleep(5)
        fire(rig)
        rig.note(FIRED)

    control(rig, script, ("stopper", old, {"lines": ("edge",), "hard": True, "outputs": (2, 0)}))
    rig.expect(rig.log, [status])
    rig.expect((rig.state("stopper"), rig.kernel.held_ms[1]), (ATTENDING, DRIVEN))
    return rig.noted()


def count(rig):
    w = rig.kernel.words
    return w[w[TASKS_END] + LINE_COUNT]


def test_edge_as_a_hard_driver_is_exchanged_is_the_old_codes_and_the_new_one_is_told(rig):
    noted = exchanged(rig, driver(rig, OLD), driver(rig, NEW))
    rig.expect(noted, [NOTIFIED, OLD, FIRED, DEAD, NOTIFIED, NEW, NOTIFIED, NEW, FIRED])
    rig.expect((rig.fault("stopper"), count(rig)), (0, 2))


def test_hard_driver_that_cannot_hand_over_serves_the_edge_that_came_meanwhile_once(rig):
    noted = exchanged(rig, driver(rig, OLD, ValueError("not now")), driver(rig, NEW), UNKNOWN)
    rig.expect(noted, [NOTIFIED, OLD, FIRED, NOTIFIED, OLD, FIRED])
    rig.expect((rig.fault("stopper"), count(rig)), (0, 2))


def test_hard_driver_that_fails_as_it_is_exchanged_gives_way_to_the_new_code(rig):
    old = driver(rig, OLD, fails=ValueError("too late"))
    noted = exchanged(rig, old, driver(rig, NEW))
    rig.expect(noted, [NOTIFIED, OLD, DEAD, FIRED, NOTIFIED, NEW, NOTIFIED, NEW, FIRED])
    rig.expect(rig.fault("stopper"), 0)


def test_new_code_that_never_attends_gives_the_line_back_to_the_old(rig):
    def fails(task):
        yield task.sleep(1)
        fire(rig)  # the old code's still
        raise ValueError("too early")

    noted = exchanged(rig, driver(rig, OLD), fails)
    old = [NOTIFIED, OLD]  # at its end, as the new code starts, told of that anew, and last
    rig.expect(noted, old + [FIRED] + old + [DEAD] + old + old + [FIRED])
