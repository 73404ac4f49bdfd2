"""Faults inside services, one after the other, each judged.

What has had a fault is up and gets something done again within the limit; no other service has
been started anew; everybody gets something done; no answer is wrong, and no call ends otherwise
than it may; the kernel's words are in order.
"""

import sys

from cases.chaos import disorder
from cases.mishaps import KINDS, NEEDS, WORKERS
from bulkhead.terms import CRASH
from kernel.abi import DORMANT, FAULTED, PROTOCOL
from kernel.layout import ARMED
from kernel.limits import SUPERVISOR_FAULTS_MAX, SUPERVISOR_WINDOW_US

LIMIT_MS = 1_500 if sys.implementation.name == "cpython" else 5_000
# In one step it looks through all of the kernel's words, beside a collection of garbage: one that
# was killed meanwhile would begin with another fault, and blame who still had the last.
_LOOK_MS = 1_000
_TARGETS = tuple(name for name in WORKERS if name != "console")


def draw_kind(dice):
    """Return a kind of fault, by its weight."""
    left = dice.roll(sum([weight for _, weight in KINDS]))
    for kind, weight in KINDS:
        left -= weight
        if left < 0:
            return kind
    return "raise"


class Judge:
    """Has faults happen in a system, and counts what has become of them."""

    def __init__(self, system, faults):
        self.system = system
        self.faults = faults
        self.counts = {}
        self.index = 0
        self.longest_ms = 0
        self.blamed = 0
        self.supervisor_ms = []  # when it had its latest faults
        self.is_done = False

    def told(self):
        """Return what has become of all, as JSON has it."""
        wrong = list(self.system.troubles)
        if not (wrong or self.is_done):
            wrong.append("the run ended after %d faults" % self.index)
        outcomes = {"mended": self.index - self.blamed}
        if self.blamed:
            outcomes["mended, its caller blamed"] = self.blamed
        return {
            "faults": self.index + len(wrong), "outcomes": outcomes, "kinds": self.counts,
            "longest_ms": self.longest_ms, "wrong": wrong,
        }  # fmt: skip

    def main(self, task):
        """Be the service that does it."""
        kernel = task.cap("kernel")
        yield task.sleep(20)
        while self.index < self.faults and not self.system.troubles:
            yield from self.judge(task, kernel)
            self.index += 1
        self.is_done = not self.system.troubles
        self.system.rig.finish()
        yield task.recv()

    def judge(self, task, kernel):
        """Have one fault happen, and wait until all is well."""
        system = self.system
        rig = system.rig
        kind = self.draw()
        target = "supervisor" if kind == "supervisor" else system.dice.of(_TARGETS)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        before = {name: rig.generation(name) for name in WORKERS}
        if kind == "supervisor":
            system.had.add(target)
            yield task.inject(kernel, 1, CRASH)
        else:
            system.due[target] = kind
        system.now = "%s in %s" % (kind, target)
        waited_ms = 0
        done = None
        while done is None or not self.is_well(done):
            system.port.fire(rig.line(0))
            yield task.sleep(system.period_ms)
            waited_ms += system.period_ms
            if done is None and not system.due:
                done = dict(system.done)
            if waited_ms > LIMIT_MS:
                late = [
                    "%s:%d" % (name, rig.state(name))
                    for name in WORKERS
                    if done is None or system.done[name] < done[name] + 2
                ]
                system.trouble("not well after %d ms: %s" % (waited_ms, " ".join(late)))
                return
        self.longest_ms = max(self.longest_ms, waited_ms)
        for name in WORKERS:
            if name == target or rig.generation(name) == before[name]:
                continue
            if (
                kind == "bad-trap"
                and target in NEEDS.get(name, ())
                and rig.fault(name) == PROTOCOL
            ):
                self.blamed += 1  # a server may say of its caller that it broke the protocol
            else:
                system.trouble("%s has been started anew" % name)
        words = rig.kernel.words
        words[ARMED] = 0  # nothing preempts it meanwhile
        wrong = disorder(words)
        words[ARMED] = 1
        if wrong:
            system.trouble(wrong[0])
        system.had.clear()

    def draw(self):
        """Return a kind; the supervisor has no more faults than the board may go on after."""
        kind = draw_kind(self.system.dice)
        if kind != "supervisor":
            return kind
        now = self.system.port.uptime_ms()
        window_ms = SUPERVISOR_WINDOW_US // 1000 + 1
        self.supervisor_ms = [ms for ms in self.supervisor_ms if now - ms <= window_ms]
        if len(self.supervisor_ms) == SUPERVISOR_FAULTS_MAX:
            return "raise"
        self.supervisor_ms.append(now)
        return kind

    def is_well(self, done):
        """Tell whether every worker is up and has made a whole round since."""
        system = self.system
        for name in WORKERS:
            if system.done[name] < done[name] + 2:
                return False
            if system.rig.state(name) in (DORMANT, FAULTED):
                return False
        return True


def run(port, seed, faults):
    """Return a judge that has had so many faults of a seed happen, or has found one not mended."""
    from cases.mishaps import System

    system = System(port, seed)
    judge = Judge(system, faults)
    uses = "kernel:control"
    system.add("judge", judge.main, priority=1, budget_ms=_LOOK_MS, uses=uses)
    system.start()
    system.rig.run(1 << 30)
    return judge
