"""A system under faults: servers, clients, a driver, a console, and the supervisor that ships.

It runs under CPython and MicroPython. Each worker counts what it gets done and notes an answer
that is wrong. `mishap` is what a fault makes of a worker, at a place in its work where it holds a
caller, has just been answered, or is between two rounds.
"""

import sys
import time

from bulkhead import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT
from cases.chaos import Dice, draw
from cases.rig import Rig, burn_us
from kernel.abi import BLOCK, DROP_OLDEST
from kernel.limits import TIME_MASK

EVENT, EMPTY = 2, 2  # services/supervisor/api.py: an operation, and a status
ALIVE = 1  # services/watchdog/api.py
HEARTBEAT_MS = 300
WATCHDOG_MS = 1_000
RESTARTS_MAX = 20  # in a second, before the board is reset
# On a board a collection of garbage, and the end of one that computes, come between.
CALL_MS = 6 if sys.implementation.name == "cpython" else 200
TROUBLES_MAX = 8  # that are kept

# What a fault makes of a worker, and of how many of all faults it is one.
KINDS = (
    ("raise", 200), ("return", 100), ("memory", 100), ("spin", 100), ("catch", 60),
    ("bad-trap", 240), ("bad-text", 30), ("bad-finally", 40), ("mute", 40), ("twice", 80),
    ("flood", 40), ("late", 40), ("stuck", 2), ("supervisor", 1),
)  # fmt: skip
WORKERS = ("bank", "relay", "box", "driver", "one", "two", "hog", "console")
# Whose answers a worker's own depend on.
NEEDS = {
    "one": ("relay", "bank"), "two": ("bank", "box"), "relay": ("bank",),
    "console": ("supervisor",),
}  # fmt: skip
_ANY = (ValueError, OSError, KeyError, ZeroDivisionError, KeyboardInterrupt, SystemExit, Exception)


class BadText(Exception):
    """What takes for ever to say."""

    spend = None

    def __str__(self):  # noqa: PLE0307  (it never returns)
        while True:
            BadText.spend(500)

    __repr__ = __str__


class System:
    """The services, what they have done, and what was wrong."""

    def __init__(self, port, seed, *, is_watched=False):
        self.port = port
        self.rig = Rig(port)
        self.dice = Dice(seed)
        self.done = {name: 0 for name in WORKERS}
        self.troubles = []
        self.now = "begins"  # the fault at hand
        self.due = {}  # the kind of fault that a worker is to have next, by its name
        self.had = set()  # who has had one since the judge looked
        # Of what each client does. A board that did it each millisecond would have no time left.
        self.period_ms = 10 if sys.implementation.name != "cpython" else 5 if is_watched else 1
        self.branch = getattr(port, "branch", None)
        BadText.spend = self.spend
        self.policies = {}
        self.is_watched = is_watched
        service = load_supervisor(port)
        self.add("supervisor", service.main, priority=0, uses="kernel:control console:notify")
        watchdog = " watchdog:send" if is_watched else ""
        uses = "supervisor:call,control" + watchdog
        self.add("console", self.console, priority=2, uses=uses)
        self.add("bank", self.bank, priority=3)
        self.add("relay", self.relay, priority=4, uses="bank:call", slots=1)
        self.add("box", self.box, priority=4, mailbox=(4, BLOCK))
        self.add("driver", self.driver, priority=2, lines=("edge",), rate=100_000, uses=watchdog)
        self.add("one", self.one, priority=5, uses="relay:call,notify")
        self.add("two", self.two, priority=6, uses="bank:call,notify box:send")
        self.add("hog", self.hog, priority=6)
        if is_watched:
            watchdog = load_watchdog(self)
            uses, mailbox = "kernel:control logger:send", (8, DROP_OLDEST)
            self.add("watchdog", watchdog.main, priority=1, uses=uses, mailbox=mailbox)
            self.add("logger", self.logger, priority=6, mailbox=(4, BLOCK))

    def add(self, name, main, **options):
        """Add a service that is always started again at once; if watched, as often as may be."""
        heartbeat_ms = 0 if name == "supervisor" else HEARTBEAT_MS
        most = RESTARTS_MAX if self.is_watched else 0
        self.policies[name] = ("permanent", heartbeat_ms, 0, 0, most, 1_000, most > 0, (), ())
        self.rig.add(name, main, **options)

    def start(self):
        """Build the kernel."""
        rows = [row[:7] + (self.policies[row[0]],) + row[8:] for row in self.rig.rows]
        self.rig.rows = rows
        table = sys.modules["bulkhead_system"]
        table.SERVICES = tuple(rows)
        for name in ("supervisor", "watchdog"):
            module = sys.modules.get("services.%s.service" % name)
            if module is not None:
                module.SERVICES = table.SERVICES
        return self.rig.start()

    def generations(self):
        """Return the generation of every service."""
        return [self.rig.generation(row[0]) for row in self.rig.rows]

    def trouble(self, text):
        """Note what is wrong."""
        if len(self.troubles) < TROUBLES_MAX:
            self.troubles.append("%s (%s)" % (text, self.now))

    def spend(self, us):
        """Compute for so long, with branches that take a kill."""
        if self.branch is None:
            burn_us(self.rig, us)
        else:
            port = self.port
            end = port.clock.us + us
            while port.clock.us < end:
                self.branch()

    def answered(self, client, server, status, value, wanted):
        """Judge how a call has ended: right, or not at all where the server has had a fault."""
        if status == OK:
            if value != wanted and not self.is_excused(client, server):
                self.trouble("%s got %r of %s, not %r" % (client, value, server, wanted))
            return True
        if not (self.is_excused(client, server) or status == TIMEOUT and self.is_held_up(server)):
            self.trouble("%s: status %d of %s" % (client, status, server))
        return False

    def is_held_up(self, server):
        """Tell whether a fault gave the processor to something more important than a server."""
        rows = self.rig.rows
        priorities = {row[0]: row[2] for row in rows}
        return any(priorities[name] <= priorities[server] for name in self.had)

    def is_excused(self, client, server):
        """Tell whether a fault is why a server has not answered, or wrongly."""
        had = self.had
        return server in had or client in had or any(name in had for name in NEEDS.get(server, ()))

    # --- workers ----------------------------------------------------------------------------

    def bank(self, task):
        """Answer each call with its value and one more."""
        yield task.recv()
        while True:
            value = task.arg
            if not task.caller():
                yield task.recv()
                continue
            if "bank" in self.due and (yield from self.mishap(task, "bank")):
                return
            self.done["bank"] += 1
            wanted = value + 1 if type(value) is int else value
            yield task.reply_recv(OK, wanted)

    def relay(self, task):
        """Answer each call with what the bank answers."""
        bank = task.cap("bank")
        yield task.recv()
        while True:
            caller, value = task.caller(), task.arg
            if not caller:
                yield task.recv()
                continue
            if "relay" in self.due and (yield from self.mishap(task, "relay")):
                return
            status = yield task.call(bank, 7, value, CALL_MS // 2)
            answer = task.arg
            if status == DEAD:
                yield task.reopen(bank)
            self.done["relay"] += 1
            yield task.reply_to(caller, OK if status == OK else REFUSED, answer)
            yield task.recv()

    def box(self, task):
        """Take numbers, each once and in order."""
        last = 0
        while True:
            operation = yield task.recv()
            if operation == NOTIFIED:
                continue
            if type(task.arg) is int and operation == 7:
                if task.arg <= last and not self.is_excused("box", "two"):
                    self.trouble("box got %d after %d" % (task.arg, last))
                last = task.arg
                self.done["box"] += 1
            if "box" in self.due and (yield from self.mishap(task, "box")):
                return
            if task.caller():
                yield task.reply(REFUSED)

    def driver(self, task):
        """Take each interrupt."""
        edge = task.cap("edge")
        yield task.acknowledge(edge)
        while True:
            operation = yield task.recv()
            if "driver" in self.due and (yield from self.mishap(task, "driver")):
                return
            if operation == NOTIFIED:
                self.done["driver"] += 1
                yield task.acknowledge(edge)
                yield from self.report(task)

    def one(self, task):
        """Ask the relay."""
        relay = task.cap("relay")
        number = 0
        while True:
            number = (number + 1) & 0xFFFF
            status = yield task.call(relay, 7, number, CALL_MS)
            if "one" in self.due and (yield from self.mishap(task, "one")):
                return
            if self.answered("one", "relay", status, task.arg, number + 1):
                self.done["one"] += 1
            if status == DEAD:
                yield task.reopen(relay)
            yield task.sleep(self.period_ms)

    def two(self, task):
        """Ask the bank, and put a number into the box."""
        bank, box = task.cap("bank"), task.cap("box")
        while True:
            self.rig.count += 1
            number = self.rig.count & 0xFFFFFF
            status = yield task.call(bank, 7, number, CALL_MS)
            is_right = self.answered("two", "bank", status, task.arg, number + 1)
            if status == DEAD:
                yield task.reopen(bank)
            if "two" in self.due and (yield from self.mishap(task, "two")):
                return
            status = yield task.send(box, 7, number, CALL_MS)
            if status == DEAD:
                yield task.reopen(box)
            elif status == OK and is_right:
                self.done["two"] += 1
            elif status != OK:
                self.answered("two", "box", status, 0, 0)
            yield task.sleep(self.period_ms)

    def hog(self, task):
        """Compute, beside an equal."""
        while True:
            self.spend(400)
            if "hog" in self.due and (yield from self.mishap(task, "hog")):
                return
            self.done["hog"] += 1
            yield task.sleep(self.period_ms)

    def console(self, task):
        """Take the supervisor's events."""
        supervisor = task.cap("supervisor")
        while True:
            status = yield task.call(supervisor, EVENT, None, CALL_MS)
            if status in (OK, EMPTY):
                self.done["console"] += 1
                yield from self.report(task)
            else:
                self.answered("console", "supervisor", status, 0, 0)
            if status == DEAD:
                yield task.reopen(supervisor)
            if "console" in self.due and (yield from self.mishap(task, "console")):
                return
            if status != OK:
                yield task.recv(2 * self.period_ms)

    def report(self, task):
        """Tell the watchdog, if there is one, that this worker gets on."""
        if self.is_watched:
            watchdog = task.cap("watchdog")
            status = yield task.send(watchdog, ALIVE)
            if status == DEAD:
                yield task.reopen(watchdog)

    def logger(self, task):
        """Take lines, and drop them."""
        while True:
            yield task.recv()

    # --- faults -----------------------------------------------------------------------------

    def mishap(self, task, name):
        """Have the fault that is due; return whether `main` is to return."""
        kind = self.due.pop(name)
        self.had.add(name)
        dice = self.dice
        if kind == "raise":
            raise dice.of(_ANY)("by chance")
        if kind == "memory":
            raise MemoryError
        if kind == "bad-text":
            raise BadText
        if kind == "return":
            return True
        if kind in ("spin", "catch"):
            self.spin(dice.roll(4) if kind == "catch" else 0)
        elif kind == "stuck":
            yield task.sleep(100_000)
        elif kind == "mute":
            yield task.sleep(CALL_MS + 2)
        elif kind == "late":
            caller = task.caller()
            yield task.sleep(CALL_MS + 2)
            yield task.reply_to(caller, OK, 1)
        elif kind == "twice":
            yield task.reply(OK, task.arg)
            yield task.reply(OK, task.arg)
        else:
            yield from self.more(task, kind)
        return False

    def more(self, task, kind):
        """Have a fault that takes traps of its own."""
        handles = [handle for handle in task.handles.values() if type(handle) is int] or [1]
        if kind == "bad-finally":
            try:
                yield from self.raising(task)
            finally:
                self.trip(self.dice.roll(3))
        elif kind == "flood":
            for number in range(12):
                yield task.send(self.dice.of(handles), 9, number, 1)
        else:
            for _ in range(1 + self.dice.roll(3)):
                yield draw(task, self.dice, handles)

    def raising(self, task):
        """Raise, or wait to be ended."""
        if self.dice.roll(2):
            raise ValueError
        self.spin(0)
        yield task.recv()

    def trip(self, how):
        """Be a `finally` block that goes wrong."""
        if how == 0:
            raise OSError
        self.spend(500)
        if how == 1:
            self.spin(1)

    def spin(self, caught):
        """Compute for ever, and catch so many kills before."""
        while True:
            try:
                while True:
                    self.spend(1000)
            except KeyboardInterrupt:
                caught -= 1
                if caught < 0:
                    raise


class Made:
    """What stands for a module that a build makes, or a board has."""


def load_supervisor(port):
    """Return the supervisor's module, on the port's time."""
    if not hasattr(time, "ticks_ms"):
        time.ticks_ms = time.ticks_diff = None
    from bulkhead import uptime

    uptime.ticks_ms = port.uptime_ms
    uptime.ticks_diff = _ticks_diff
    table = Made()
    table.SERVICES = ()
    table.WATCHDOG = None
    sys.modules["bulkhead_system"] = table
    from services.supervisor import service

    return service


def load_watchdog(system):
    """Return the watchdog's module, which watches all workers with the port's chip."""
    rows = []
    for number, row in enumerate(system.rig.rows, 1):
        rows.append((number, 2 * HEARTBEAT_MS, row[0] in ("driver", "console")))
    machine = Made()
    machine.WDT = system.port.chip
    machine.mem32 = {}
    sys.modules["machine"] = machine
    sys.modules["bulkhead_system"].WATCHDOG = (False, WATCHDOG_MS, tuple(rows))
    from services.watchdog import service

    service.WDT = machine.WDT
    service.WATCHDOG = sys.modules["bulkhead_system"].WATCHDOG
    return service


def _ticks_diff(end, start):
    return ((end - start + (1 << 29)) & TIME_MASK) - (1 << 29)
