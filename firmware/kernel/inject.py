"""Injected misbehaviour: what a task is made to do in place of its next step.

Each function stands in for the generator's `send`, so it runs as that task, at its priority,
under its budget, and the kernel's answer to it is the answer to the real thing.
"""

from kernel.abi import (
    CRASH, DROP_REPLY, FAULTED, DORMANT, HANG, LEAK, OK, READY, RECV, REPLY, REPLY_RECV, RUNNING,
    SLEEP, SPIN, TIMED, YIELD,
)  # fmt: skip
from kernel.layout import OUTER, RECORD_SHIFT, RESULT, STATE, TIMED_WAIT
from kernel.ready import push_back
from kernel.timeouts import leave_server

_TRAP = 31 << 8
_LEAK_BYTES = 2048


class InjectedCrash(Exception):
    """What an injected crash raises."""


def crash(_result):
    """Raise."""
    raise InjectedCrash("injected by the operator")


def spin(_result):
    """Never yield."""
    while True:
        pass


def hang(_result):
    """Sleep without end."""
    return SLEEP


def leak(_result):
    """Allocate without end."""
    kept = []
    while True:
        kept.append(bytearray(_LEAK_BYTES))


class DropReply:
    """Swallow the task's next reply, then let it go on."""

    def __init__(self, kernel, number):
        self.kernel = kernel
        self.number = number
        self.send = kernel.resume[number]

    def step(self, result):
        """Resume the task and turn a reply into what it would do without one."""
        trap = self.send(result)
        kind = trap & _TRAP
        if kind != REPLY and kind != REPLY_RECV:
            return trap
        self.kernel.resume[self.number] = self.send
        return YIELD if kind == REPLY else RECV | trap & TIMED


_STEPS = {CRASH: crash, SPIN: spin, HANG: hang, LEAK: leak}


def inject(kernel, task, kind):
    """Make `task` misbehave; return whether it is in a state, and `kind` one, that can be.

    All but DROP_REPLY end its present wait, so that it happens at once.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    state = w[task + STATE]
    if state == DORMANT or state == FAULTED or task == w[OUTER]:
        return False
    if kind == DROP_REPLY:
        kernel.resume[number] = DropReply(kernel, number).step
        return True
    if kind not in _STEPS:
        return False
    kernel.resume[number] = _STEPS[kind]
    if state != READY and state != RUNNING:
        w[task + TIMED_WAIT] = 0
        leave_server(w, task)
        w[task + RESULT] = OK
        push_back(w, task)
    return True
