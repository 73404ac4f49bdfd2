"""Injected misbehaviour: what a task is made to do in place of its next step.

Each generator stands in for the task's own, so it runs as that task, at its priority, under its
budget, and the kernel's answer to it is the answer to the real thing. It closes the task's own
when it ends. The first `yield` is there since a generator must be started with None.
"""

from kernel.abi import (
    CRASH, DROP_REPLY, FAULTED, DORMANT, HANG, LEAK, OK, READY, RECV, REPLY, REPLY_RECV, RUNNING,
    SLEEP, SPIN, TIMED, YIELD,
)  # fmt: skip
from kernel.irq import dismiss
from kernel.layout import OUTER, RECORD_SHIFT, RESULT, STATE, TIMED_WAIT
from kernel.ready import push_back
from kernel.timeouts import leave_server

_TRAP = 31 << 8
_LEAK_BYTES = 2048


class InjectedCrash(Exception):
    """What an injected crash raises."""


def crash(generator):
    """Raise."""
    try:
        yield
        raise InjectedCrash("injected by the operator")
    finally:
        generator.close()


def spin(generator):
    """Never yield."""
    try:
        yield
        while True:
            pass
    finally:
        generator.close()


def hang(generator):
    """Sleep without end."""
    try:
        yield
        yield SLEEP
    finally:
        generator.close()


def leak(generator):
    """Allocate without end."""
    try:
        yield
        kept = []
        while True:
            kept.append(bytearray(_LEAK_BYTES))
    finally:
        kept = None
        generator.close()


def drop_reply(generator):
    """Go on, but turn the next reply into what the task would do without one."""
    result = yield
    try:
        while True:
            trap = generator.send(result)
            kind = trap & _TRAP
            if kind == REPLY:
                trap = YIELD
            elif kind == REPLY_RECV:
                trap = RECV | trap & TIMED
            dropped = kind == REPLY or kind == REPLY_RECV
            result = yield trap
            if dropped:
                break
        while True:
            result = yield generator.send(result)
    except StopIteration:
        return
    finally:
        generator.close()


_STEPS = {CRASH: crash, SPIN: spin, HANG: hang, LEAK: leak, DROP_REPLY: drop_reply}


def inject(kernel, task, kind):
    """Make `task` misbehave; return whether it is in a state, and `kind` one, that can be.

    All but DROP_REPLY end its present wait, so that it happens at once.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    state = w[task + STATE]
    if state == DORMANT or state == FAULTED or task == w[OUTER]:
        return False
    if kind not in _STEPS:
        return False
    kernel.generators[number] = stand_in = _STEPS[kind](kernel.generators[number])
    stand_in.send(None)
    if kind == DROP_REPLY:
        return True
    if state != READY and state != RUNNING:
        dismiss(w, task)
        w[task + TIMED_WAIT] = 0
        leave_server(w, task)
        w[task + RESULT] = OK
        push_back(w, task)
    return True
