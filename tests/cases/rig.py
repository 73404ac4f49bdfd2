"""What a kernel case is written with. Runs under CPython (sim) and MicroPython (unix, device).

A case is a function `test_...(rig)`: it adds services, runs them for some milliseconds of the
port's time and says what it expects. `rig.log` takes what services note; a service is any
generator function of its frame.
"""

from bulkhead import OK
from guard.audit import Audit
from kernel import records
from kernel.abi import (
    ASYNC,
    DORMANT,
    FAULTED,
    HARD,
    MAY_CALL,
    MAY_CONTROL,
    MAY_GRANT,
    MAY_NOTIFY,
    MAY_SEND,
)
from kernel.boot import build
from kernel.layout import (
    BADGE_SHIFT, CAPABILITIES, CAPABILITY, FAULT, GENERATION, GENERATION_MASK, NAMED,
    PARTICULAR_SHIFT, PARTICULARS, RECORD_SHIFT, RIGHTS_MASK, RIGHTS_SHIFT, STATE, STOPPED, TARGET,
)  # fmt: skip
from kernel.levels import main_level
from kernel.limits import FREE_SLOTS

RIGHTS = {
    "call": MAY_CALL,
    "send": MAY_SEND,
    "notify": MAY_NOTIFY,
    "control": MAY_CONTROL,
    "grant": MAY_GRANT,
}


class Rig:
    """One kernel under test, on the port it is given."""

    def __init__(self, port):
        self.port = port
        self.rows = []
        self.log = []
        self.notes = [None] * 32
        self.count = 0
        self.kernel = None

    def add(
        self, name, main, *, priority=3, budget_ms=20, mailbox=None, uses="", lines=(), rate=1000,
        asynchronous=False, hard=False, period_ms=0, period_budget_ms=0, quota_bytes=0,
        slots=FREE_SLOTS, outputs=(),
    ):  # fmt: skip
        """Add a service. `uses` is "led:call logger:send,notify"; its badge is its number.

        A line named "console" is that; others are fired by the case. `asynchronous` says that
        `main` is an `async def`, `hard` that it is a hard driver's; `slots` are free ones of its
        table; `outputs` are pins and what is safe for each, of `cases.ports`.
        """
        number = len(self.rows) + 1
        grants = []
        for word in uses.split():
            target, rights = word.split(":")
            bits = 0
            for right in rights.split(","):
                bits |= RIGHTS[right]
            grants.append((target, target, bits, number))
        rows = tuple(
            (line, "console" if line == "console" else "test", 0, "rising none", rate)
            for line in lines
        )
        flags = (ASYNC if asynchronous else 0) | (HARD if hard else 0)
        period_us, period_budget_us = period_ms * 1000, period_budget_ms * 1000
        options = (period_us, period_budget_us, quota_bytes, slots, flags)
        self.rows.append(
            (name, main, priority, budget_ms * 1000, mailbox, tuple(grants), rows, None, options)
            + (outputs,)
        )

    def start(self):
        """Build the kernel, with every service ready (of several, only the supervisor)."""
        self.kernel = build(tuple(self.rows), self.port)
        self.audit = Audit(self.kernel)
        self.kernel.look = self.audit.look
        return self.kernel

    def run(self, milliseconds):
        """Run the system for that long; builds it first if that has not been done."""
        if self.kernel is None:
            self.start()
        self.port.run_cases(self.kernel, main_level, milliseconds)

    def finish(self):
        """End the run after the present step, for a service that has seen all it was to see."""
        self.kernel.words[STOPPED] = 1

    def note(self, number):
        """Note a number without allocating, as a hard step must."""
        self.notes[self.count] = number
        self.count += 1

    def noted(self):
        """Return the numbers noted."""
        return self.notes[: self.count]

    def task(self, name):
        """Return the offset of a service's record."""
        return self.kernel.number(name) << RECORD_SHIFT

    def word(self, name, field):
        """Return a word of a service's record."""
        return self.kernel.words[self.task(name) + field]

    def particular(self, name, field):
        """Return a word of what no hot path touches of a service."""
        w = self.kernel.words
        return w[w[PARTICULARS] + (self.task(name) >> PARTICULAR_SHIFT) + field]

    def state(self, name):
        """Return a service's state."""
        return self.word(name, STATE)

    def fault(self, name):
        """Return the kind of a service's last fault."""
        return self.particular(name, FAULT)

    def generation(self, name):
        """Return a service's generation."""
        return self.word(name, GENERATION)

    def words_of(self, name):
        """Return a service's last words."""
        return records.words(self.kernel, self.kernel.number(name)).decode()

    def capability(self, name, slot):
        """Return (rights, generation named, badge) of a slot of a service's table."""
        w = self.kernel.words
        here = self.word(name, CAPABILITIES) + slot * CAPABILITY
        rights = w[here + TARGET] >> RIGHTS_SHIFT & RIGHTS_MASK
        return rights, w[here + NAMED] & GENERATION_MASK, w[here + NAMED] >> BADGE_SHIFT

    def line(self, index):
        """Return the port's source of the line with that index, in the order added."""
        return self.kernel.line_sources[index]

    def expect(self, got, wanted):
        """Fail the case unless the two are equal."""
        if got != wanted:
            raise AssertionError("got %r, wanted %r" % (got, wanted))


def told(words, *indexes):
    """Return words of a task as `task.inspect` gives them, by their places in `kernel.layout`."""
    return tuple([words[at] for at in indexes])


def echo(task):
    """Answer every call with its operation's value plus one, or as it came."""
    yield task.recv()
    while True:
        value = task.arg
        yield task.reply_recv(OK, value + 1 if type(value) is int else value)


def silent(task):
    """Receive and never reply."""
    while True:
        yield task.recv()


def idle(task):
    """Receive what nobody sends."""
    while True:
        yield task.recv()


def control(rig, script, *others, uses=""):
    """Run `script(task, kernel)` as a service that may control tasks; others come first.

    `uses` is what else it may use.
    """
    for name, main, options in others:
        rig.add(name, main, **options)

    def main(task):
        yield task.sleep(2)
        yield from script(task, task.cap("kernel"))
        yield task.recv()

    rig.add("controller", main, priority=0, uses="kernel:control " + uses)
    rig.run(60)
    rig.expect(rig.fault("controller"), 0)


def controlled(rig, script, *others, **options):
    """Run `script(task, kernel)` as a service that may control tasks, until it ends.

    Others come first. Nothing here goes by how fast the port's clock runs.
    """
    for name, main, own in others:
        rig.add(name, main, **own)

    def main(task):
        yield task.sleep(2)
        yield from script(task, task.cap("kernel"))
        rig.finish()
        yield task.recv()

    rig.add("controller", main, **dict({"priority": 0, "uses": "kernel:control"}, **options))
    rig.run(10_000)  # a bound: it finishes long before
    rig.expect(rig.fault("controller"), 0)


def until(task, is_so):
    """Wait for something to be so."""
    while not is_so():
        yield task.sleep(1)


def is_down(rig, name):
    """Return what tells whether a service has ended."""
    return lambda: rig.state(name) in (DORMANT, FAULTED)


def burn_us(rig, length):
    """Compute for that long on the port's clock."""
    start = rig.port.now()
    while True:
        if (rig.port.now() - start) & 0x3FFFFFFF >= length:
            break


def no_branch():
    """Compute for a while without a branch: a C call where that is one, and straight code."""
    x = sum(b"\1" * 250)
    x = x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1
    x = x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1 + x + 1
