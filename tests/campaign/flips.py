"""Faults inside the kernel's own words: flipped bits, and wake-ups that are lost or doubled.

One system runs on and on; at points drawn by a seed, which lie within the kernel's dispatcher and
where it idles, the process forks, and each child has one fault in its words. A child runs until
everybody has got on, or the board resets, with the cause kept. What does neither within the limit
is a silent hang.
"""

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from bulkhead.terms import CRASH_NAMES
from bulkhead_host.explore.tree import Turns
from campaign.branches import BranchPort, StepClock
from cases.chaos import disorder
from cases.mishaps import WORKERS, System
from kernel.abi import READY
from kernel.layout import (
    BASE,
    CLIENTS,
    DEADLINE,
    DEADLINES,
    FLOOR,
    IRQ_PENDING,
    LINE_FIRED,
    LINE_MASKED,
    MAIL_COUNT,
    NEXT,
    NEXT_DEADLINE,
    OPERATION,
    OUTER,
    PEER,
    PENDING,
    PRIORITY,
    READY_BITS,
    RECORD_SHIFT,
    RESULT,
    RUNNING_TASK,
    SCHEDULED,
    SENDERS,
    SEQUENCE,
    SERVING,
    STATE,
    STEP_DEADLINE,
    STOPPED,
    STRUCK,
    TAILS,
    TASKS_END,
    TIMED_WAIT,
)  # fmt: skip
from kernel.ready import push_back, remove

LIMIT_US = 4_000_000  # for everybody to get on, or for a reset
ORDER_US = 1_500_000  # for the words to be in order again, once everybody gets on
ROUNDS = 2  # that everybody makes before all is said to be well
PULSE_US = 5_000  # between two interrupts of the driver
CHILDREN = 8  # at a point
SETTLED_US = 100_000
_LOOKS = 32  # at the clock, between two of a child at how it gets on
_CPU_S = 20  # of a child, before its kernel is said not to return

WENT_ON, STARTED, DISORDER = "went on", "went on, services anew", "went on, out of order"
RESET, CHIP, LOOPS = "reset, kernel", "reset, chip", "reset, chip: kernel loops or ends"
SILENT = "SILENT HANG"

TASK_WORDS = {
    "state": (STATE,), "links": (NEXT, PEER, SENDERS, SERVING, CLIENTS),
    "priorities": (PRIORITY, BASE), "results": (RESULT, OPERATION, PENDING, SEQUENCE, MAIL_COUNT),
    "times": (DEADLINE, TIMED_WAIT),
}  # fmt: skip
KERNEL_WORDS = (
    *(READY_BITS, RUNNING_TASK, STEP_DEADLINE, STRUCK, OUTER, NEXT_DEADLINE, DEADLINES),
    *(IRQ_PENDING, SCHEDULED, FLOOR, *range(TAILS, TAILS + 8)),
)
_SELDOM = 0.1
FAULTS = (*TASK_WORDS, "globals", "anywhere", "lost", "doubled")
_MOST = {"state": 4, "priorities": 4}  # bits that such a word has


@dataclass(frozen=True)
class Verdict:
    """What has become of one fault."""

    outcome: str
    fault: str
    detail: str = ""


class Hooked(StepClock):
    """The kernel's clock, which calls a function now and then when it is looked at."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(turns)
        self.looks = 0
        self.at = 1 << 60
        self.hook: Callable[[], None] = int  # type: ignore[assignment]

    def __getitem__(self, index: int) -> int:
        self.looks += 1
        if self.looks >= self.at:
            self.hook()
        return super().__getitem__(index)


class Flips:
    """A system, and the faults of a seed in its kernel's words."""

    def __init__(self, turns: Turns, seed: int, faults: int, only: int | None = None) -> None:
        self.port = BranchPort(turns)
        self.port.clock = self.clock = Hooked(turns)
        self.system = System(self.port, seed, is_watched=True)
        self.words = self.system.start().words
        self.seed, self.faults, self.only = seed, faults, only
        self.dice = random.Random(seed)
        self.index = 0
        self.verdicts: list[Verdict] = []
        self.in_child: Child | None = None
        self.clock.hook = self.fork
        self.clock.at = 1

    def run(self) -> list[Verdict]:
        """Have all faults, each in a process of its own; return what became of them, in order."""
        self.port.at(1, self.pulse)
        try:
            self.system.rig.run(1 << 30)
        except BaseException as error:
            if self.in_child is None:
                raise
            self.in_child.end(LOOPS, f"{type(error).__name__}: {error}"[:80])
        if self.in_child is not None:
            self.in_child.end(LOOPS, "the main level ends")
        if self.index < self.faults:
            raise AssertionError("the system has ended by itself")
        return self.verdicts

    def pulse(self) -> None:
        """Fire the driver's line, and again after a while."""
        self.port.fire(self.system.rig.line(0))
        self.port.events.append((self.port.clock.us + PULSE_US, 0, self.pulse))
        self.port.events.sort(key=lambda event: event[0])

    def fork(self) -> None:
        """Have some faults here, if the system has settled, and none of them matters to it."""
        self.clock.at = self.clock.looks + self.dice.randrange(1, 200)
        if self.clock.us < SETTLED_US:
            return
        for _ in range(CHILDREN):
            if self.index == self.faults:
                self.words[STOPPED] = 1
                self.clock.at = 1 << 60
                return
            if self.only in (None, self.index):
                verdict = self.child()
                if verdict is None:
                    return
                self.verdicts.append(verdict)
            self.index += 1

    def child(self) -> Verdict | None:
        """Return what becomes of the next fault; None is returned in the child, which goes on."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            with os.fdopen(reader, "rb") as stream:
                data = stream.read()
            os.waitpid(pid, 0)
            return Verdict(*json.loads(data)) if data else Verdict(SILENT, "?", "no answer")
        os.close(reader)
        self.in_child = Child(self, writer)
        return None


class Child:
    """A system with one fault in it."""

    def __init__(self, parent: Flips, writer: int) -> None:
        self.writer = writer
        self.system = parent.system
        self.clock = parent.clock
        self.port = parent.port
        self.words = parent.words
        self.done = dict(self.system.done)
        self.generations = self.system.generations()
        self.began_us = self.clock.us
        self.well_us: int | None = None
        self.clock.hook = self.look
        self.clock.at = self.clock.looks + _LOOKS
        self.port.fired = lambda: self.end(CHIP)
        self.port.panic = lambda cause: self.end(RESET, CRASH_NAMES[cause])
        signal.signal(signal.SIGVTALRM, lambda *_: self.end(LOOPS, "for ever"))
        signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_S)
        self.fault = "none"
        dice = random.Random(f"{parent.seed} {parent.index}")
        try:
            self.fault = strike(self.system, dice)
        except BaseException as error:
            self.end(SILENT, f"the fault itself: {error!r}")

    def end(self, outcome: str, detail: str = "") -> NoReturn:
        """Tell what has become of it."""
        os.write(self.writer, json.dumps([outcome, self.fault, detail]).encode())
        os._exit(0)

    def look(self) -> None:
        """See whether everybody gets on, and since when."""
        self.clock.at = self.clock.looks + _LOOKS
        now = self.clock.us
        self.port.look_at_chip()
        if self.well_us is None:
            if self.is_well():
                self.well_us = now
                self.done = dict(self.system.done)
            elif now - self.began_us > LIMIT_US:
                self.end(SILENT, self.stuck())
        if self.well_us is not None:
            wrong = self.disorder()
            if not wrong:
                anew = self.system.generations() != self.generations
                self.end(STARTED if anew else WENT_ON)
            if now - self.well_us > ORDER_US:
                if self.is_well():
                    self.end(DISORDER, wrong[0])
                self.end(SILENT, self.stuck())

    def is_well(self) -> bool:
        """Tell whether every worker has made some rounds."""
        done = self.system.done
        return all(done[name] >= self.done[name] + ROUNDS for name in WORKERS)

    def stuck(self) -> str:
        """Return who has not got on, and its state."""
        done, rig = self.system.done, self.system.rig
        names = [name for name in WORKERS if done[name] < self.done[name] + ROUNDS]
        return " ".join(f"{name}:{rig.state(name)}" for name in names)

    def disorder(self) -> list[str]:
        """Return what is wrong with the kernel's words."""
        try:
            return list(disorder(self.words))
        except Exception as error:
            return [f"{type(error).__name__}"]


def strike(system: System, dice: random.Random) -> str:
    """Have a fault in the words of a system's kernel; return which."""
    words = system.rig.kernel.words
    kind = dice.choice(FAULTS)
    task = dice.randrange(1, words[TASKS_END] >> RECORD_SHIFT)
    name = system.rig.rows[task - 1][0]
    task <<= RECORD_SHIFT
    if kind == "lost":
        return f"lost {name}: {lose(words, task, dice)}"
    if kind == "doubled":
        return f"doubled {name}: {double(words, task, dice)}"
    if kind == "globals":
        at = dice.choice(KERNEL_WORDS)
    elif kind == "anywhere":
        at = dice.randrange(1, len(words))
    else:
        at = task + dice.choice(TASK_WORDS[kind])
    bit = dice.randrange(_MOST.get(kind, 30))
    words[at] ^= 1 << bit
    return f"{kind} {name if kind in TASK_WORDS else at}: word {at & 31}, bit {bit}"


def lose(words: Any, task: int, dice: random.Random) -> str:
    """Lose a wake-up of a task, or of all."""
    is_ready = words[task + STATE] == READY
    there = {
        "ready": is_ready and words[READY_BITS] >> words[task + PRIORITY] & 1,
        "bits": words[task + PENDING],
        "deadline": words[task + TIMED_WAIT],
        "caller": words[task + SENDERS],
        "interrupt": words[words[TASKS_END] + LINE_FIRED],
        "deadlines": dice.random() < _SELDOM,
        "line": dice.random() < _SELDOM,
        "entry": words[SCHEDULED],
    }
    ways = [way for way, is_there in there.items() if is_there]
    way = dice.choice(ways) if ways else "line"
    if way == "ready":
        remove(words, task)
    elif way == "bits":
        words[task + PENDING] = 0
    elif way == "deadline":
        words[task + TIMED_WAIT] = 0
    elif way == "caller":
        words[task + SENDERS] = 0
    elif way == "interrupt":
        words[words[TASKS_END] + LINE_FIRED] = 0
    elif way == "deadlines":
        words[DEADLINES] = 0
    elif way == "entry":
        words[SCHEDULED] = 0
    else:
        words[words[TASKS_END] + LINE_MASKED] = 1
    return way


def double(words: Any, task: int, dice: random.Random) -> str:
    """Wake a task that waits, or once more what is awake."""
    way = dice.choice(("ready", "bits", "interrupt", "deadline"))
    if way == "ready":
        push_back(words, task)
    elif way == "bits":
        words[task + PENDING] |= 1
    elif way == "interrupt":
        words[words[TASKS_END] + LINE_FIRED] = 1
        words[IRQ_PENDING] = 1
    else:
        words[task + TIMED_WAIT] = 1
    return way


def outcomes(verdicts: list[Verdict]) -> Counter[str]:
    """Return how often each outcome was."""
    return Counter(verdict.outcome for verdict in verdicts)
