"""A hard interrupt at every store of the kernel: nothing is lost, doubled or torn.

What a hard step does to the kernel's words it does in the midst of the kernel's own work. So the
kernel's array here tells of each store, and a scenario runs once for every store it makes, with
the line fired just before that one.
"""

from array import array
from collections.abc import Callable, Generator
from typing import Any

import pytest

from cases.ports import CasePort
from cases.rig import Rig
from kernel import state
from kernel.abi import ATTENDING, FAULTED, NOTIFIED, READY, RECEIVING
from kernel.hard import NOT_ATTENDING
from kernel.layout import LINE_COUNT, LINE_MASKED, TASKS_END

Main = Generator[int, int, None]
_END_MS = 20


class Words(array):  # type: ignore[type-arg]
    """The kernel's array, with a function to call before the store of a given number.

    Stores of an interrupt's handler do not count: no other interrupts it.
    """

    countdown = 0
    in_interrupt = False
    function: Callable[[], None] | None = None

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.function is not None and not self.in_interrupt:
            if self.countdown == 0:
                function, self.function = self.function, None
                function()
            self.countdown -= 1
        super().__setitem__(index, value)


class Scenario:
    """A hard driver that notifies a watcher, beside services that keep the kernel busy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state, "array", Words)
        self.rig = Rig(CasePort())
        self.steps = 0
        self.bits = 0
        self.rig.add("stopper", self.stopper, lines=("edge",), hard=True, uses="watcher:notify")
        self.rig.add("watcher", self.watcher, priority=2)
        self.rig.add("busy", self.busy, priority=4, uses="watcher:notify echo:call")
        self.rig.add("echo", self.echo, priority=5)

    def stopper(self, task: Any) -> Main:
        line = task.cap("edge")
        yield task.acknowledge(line)
        while True:
            assert (yield task.recv()) == NOTIFIED
            self.steps += 1
            yield task.notify(task.cap("watcher"), 1 << self.steps)
            yield task.acknowledge(line)

    def watcher(self, task: Any) -> Main:
        self.bits = 0  # of this incarnation
        for timeout_ms in (3, 3, 3):
            if (yield task.recv(timeout_ms)) == NOTIFIED:
                self.bits |= task.bits()
        while True:
            yield task.recv()
            self.bits |= task.bits()

    def busy(self, task: Any) -> Main:
        for _ in range(3):
            yield task.notify(task.cap("watcher"), 1)
            yield task.call(task.cap("echo"), 1)
            yield task.sleep(1)
        self.fire()
        yield task.recv()

    def echo(self, task: Any) -> Main:
        yield task.recv()
        while True:
            yield task.reply_recv(0)

    def fire(self) -> None:
        self.rig.port.fire(self.rig.line(0))

    def run(self, store: int) -> bool:
        """Run with an interrupt before that store; return whether there was one."""
        words = self.rig.start().words
        line = self.rig.line(0)
        handler = line.fire

        def fire() -> None:
            if self.rig.port.clock.us < _END_MS * 1000:  # not in the midst of the run's end
                words.in_interrupt = True
                handler()
                words.in_interrupt = False

        line.fire = fire
        words.function = self.fire
        words.countdown = store
        self.rig.run(_END_MS)
        interrupted = words.function is None
        words.function = None
        self.rig.run(5)
        return interrupted


def test_a_hard_interrupt_before_any_store_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = 0
    while True:
        scenario = Scenario(monkeypatch)
        if not scenario.run(store):
            break
        words = scenario.rig.kernel.words
        steps = scenario.steps
        assert steps in (1, 2), store  # before the driver asks for it there is no interrupt
        assert scenario.bits == sum(1 << n for n in range(1, steps + 1)) | 1, store
        assert scenario.rig.state("stopper") == ATTENDING, store
        assert words[words[TASKS_END] + LINE_COUNT] == steps, store
        assert words[words[TASKS_END] + LINE_MASKED] == 0, store
        names = ("stopper", "watcher", "busy", "echo")
        assert [scenario.rig.fault(name) for name in names] == [0] * 4, store
        store += 1
    assert store > 250


def test_a_kill_that_landed_before_a_hard_step_is_struck_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = Scenario(monkeypatch)
    scenario.rig.start()
    scenario.rig.run(5)
    port = scenario.rig.port
    attendant = scenario.rig.line(0).on_trap  # as a port's handler calls it
    for landed in (0, 1):
        port.pending = False
        attendant(NOT_ATTENDING, landed, None)
        assert port.pending == bool(landed)


def test_a_hard_interrupt_before_any_store_of_the_ends_of_both_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = 0
    while True:
        scenario = Scenario(monkeypatch)
        rig = scenario.rig

        def supervisor(task: Any) -> Main:
            kernel = task.cap("kernel")
            for number in (1, 2, 1, 2):
                yield task.start(kernel, number)
                yield task.sleep(2)
                if number == 2:
                    yield task.stop(kernel, 2, 8)
                    yield task.stop(kernel, 1, 8)
            yield task.start(kernel, 2)
            while True:
                yield task.recv()

        rig.add("supervisor", supervisor, priority=0, uses="kernel:control")
        if not scenario.run(store):
            break
        assert rig.state("stopper") == FAULTED, store
        assert rig.state("watcher") in (READY, RECEIVING), store
        assert rig.kernel.frames[1] is None, store
        assert scenario.bits == 0, store  # they were left for the first incarnation
        assert scenario.steps <= 1, store
        store += 1
    assert store > 250
