"""Injected misbehaviour: what a service is made to do in place of its next step, or of a reply.

Each generator stands in for the service's own, so it runs as that service, at its priority, under
its budget, with its capabilities, and the kernel's answer to it is the answer to the real thing.
It closes the service's own when it ends. The first `yield` is there since a generator must be
started with None. The module is loaded when something is injected first.

What waits for its occasion shows in the trace: a trap YIELD with the operation MARK, right before
and with the steps that follow.
"""

from bulkhead.terms import (
    BAD_MESSAGE, BAD_TRAP, CATCH_KILL, CLOCK_JUMP, CRASH, DOUBLE_REPLY, DROP_REPLY, FLOOD,
    FORGED_HANDLE, HANG, KILL_IN_CALL, KILL_IN_START, LATE_REPLY, LEAK, LOST_INTERRUPT,
    MEMORY_FULL, NONSENSE, RETURN, REVOKED_HANDLE, SPIN, SPIN_IN_C, STALE_HANDLE, WRONG_REPLY,
)  # fmt: skip
from kernel.abi import (
    ACKNOWLEDGE, HANDLE_SHIFT, MARK, MAY_CALL, MAY_NOTIFY, MAY_SEND, NOTIFIED, RECV, REPLY,
    REPLY_FAULT, REPLY_RECV, SLEEP, SLOT_MASK, TIMED, TRAP_SHIFT, YIELD,
)  # fmt: skip
from micropython import const

_TRAP = const(31 << 8)
_LEAK_BYTES = const(2048)
_SMALLEST_BYTES = const(16)
# Bytes that are looked for in twice as many, in one C call: some 100 ms. What counts in C by a
# range can be killed.
_LONG = const(1_200)
_FLOOD_ROUNDS = const(100)
_USE_MS = const(2)  # for an answer: a flood does not wait for who receives nothing
_MARKED_LAST = const(512)  # steps 1, 2, 4, 8, ... are marked: who reads the trace finds one
_LATE_MS = const(1_200)  # after CALL_TIMEOUT_US
_JUMP_US = const(1_000_000)  # half of what the host waits for the answer to its order


class InjectedCrash(Exception):
    """What an injected crash raises."""


def stand_in(kind, generator, task, uses, lines, timed, stop):
    """Return what stands in for `generator`, None where the service cannot fail in that way.

    `task` is the service's frame, `uses` what its manifest grants, as in the system's table, and
    `lines` its interrupt lines. `timed` is TIMED where the service waits with a timeout. `stop`
    has the board stand still for microseconds.
    """
    if DROP_REPLY <= kind <= KILL_IN_CALL:
        return at_reply(kind, generator, task)
    if kind == FLOOD:
        return first(generator, task, lambda: flood(task, uses))
    if kind == KILL_IN_START:
        return in_start(generator)
    if kind == LOST_INTERRUPT:
        return lines and without_interrupt(generator, task, lines, timed)
    if kind == CLOCK_JUMP:
        return first(generator, task, lambda: stop(_JUMP_US))
    misdeed = MISDEEDS.get(kind)
    return misdeed and instead(misdeed, generator, task, uses)


def instead(misdeed, generator, task, uses):
    """Commit a misdeed in place of all that the service would do."""
    try:
        yield
        traps = misdeed(task, uses)
        if traps:
            yield from traps
    finally:
        generator.close()


def in_start(generator):
    """Let the service load its module and begin, and raise where it would first yield."""
    yield
    generator.send(None)
    raise InjectedCrash("killed in its start")


def first(generator, task, misdeed):
    """Commit a misdeed before the service's next step, then go on as if nothing had been."""
    result = yield
    try:
        arg = task.arg
        registers = list(task.registers)
        yield YIELD | MARK
        traps = misdeed()
        if traps:
            yield from traps
        task.arg = arg
        for index, register in enumerate(registers):
            task.registers[index] = register
        yield from marked(generator, generator.send(result))
    except StopIteration:
        return
    finally:
        generator.close()


def without_interrupt(generator, task, lines, timed):
    """Go on, but take the next interrupt in the service's place, and let the line fire again."""
    result = yield
    trap = RECV | timed
    try:
        timeout_ms = task.registers[0]
        while result != NOTIFIED or not task.bits() & (1 << len(lines)) - 1:
            trap = generator.send(result)
            timeout_ms = task.registers[0]
            result = yield trap
        bits = task.bits()
        yield YIELD | MARK
        for index, line in enumerate(lines):
            if bits >> index & 1:
                yield task.acknowledge(task.handles[line[0]])
        rest = bits >> len(lines) << len(lines)
        if rest:  # what others have notified is the service's
            task.registers[3] = rest
            trap = generator.send(NOTIFIED)
        else:
            task.registers[0] = timeout_ms
        yield from marked(generator, trap)
    except StopIteration:
        return
    finally:
        generator.close()


def marked(generator, trap):
    """Go on with `trap`, and leave more marks."""
    step = 0
    while True:
        step += 1
        if step <= _MARKED_LAST and step & (step - 1) == 0:
            yield YIELD | MARK
        result = yield trap
        trap = generator.send(result)


def at_reply(kind, generator, task):
    """Go on, but do wrong at the next reply that somebody waits for."""
    result = yield
    try:
        while True:
            trap = generator.send(result)
            caller = answered(task, trap)
            if caller:
                break
            result = yield trap
        timeout_ms = task.registers[0]
        yield YIELD | MARK
        rest = YIELD if trap & _TRAP == REPLY else RECV | trap & TIMED
        if kind == KILL_IN_CALL:
            raise InjectedCrash("killed in the middle of a call")
        if kind == DROP_REPLY:
            trap = rest
        elif kind == WRONG_REPLY:
            task.arg = b"nonsense"
            trap = trap & ~0xFF | NONSENSE
        elif kind == DOUBLE_REPLY:
            arg = task.arg
            yield trap if rest == YIELD else trap & 0xFF | REPLY
            yield task.reply_to(caller, trap & 0xFF, arg)
            trap = rest
        elif kind == LATE_REPLY:
            yield task.sleep(_LATE_MS)
        else:
            received, task.registers[1] = task.caller(), caller
            yield REPLY_FAULT
            task.registers[1] = received
            trap = rest
        task.registers[0] = timeout_ms
        yield from marked(generator, trap)
    except StopIteration:
        return
    finally:
        generator.close()


def answered(task, trap):
    """Return the token of whom a trap replies to, 0 when it does not, or nobody waits."""
    if trap & (_TRAP | TIMED) == REPLY | TIMED:
        return task.registers[0]
    if trap & _TRAP == REPLY or trap & _TRAP == REPLY_RECV:
        return task.caller()
    return 0


def crash(task, uses):
    """Raise."""
    raise InjectedCrash("injected by the operator")


def flood(task, uses):
    """Use every capability as often and as fast as it goes."""
    for _ in range(_FLOOD_ROUNDS):
        for handle, rights in _reached(task, uses):
            yield use(task, handle, rights)


def give_up(task, uses):
    """Return."""


def spin(task, uses):
    """Never yield."""
    while True:
        pass


def spin_in_c(task, uses):
    """Never yield, in C calls each longer than the budget of most."""
    needle = bytes(_LONG) + b"\x01"
    hay = bytes(2 * _LONG)
    while True:
        hay.find(needle)


def catch_kill(task, uses):
    """Never yield, catch the kill for it, and go on."""
    try:
        while True:
            pass
    except BaseException:
        pass
    yield SLEEP


def hang(task, uses):
    """Sleep without end."""
    yield SLEEP


def leak(task, uses):
    """Allocate without end."""
    kept = []
    while True:
        kept.append(bytearray(_LEAK_BYTES))


def fill_memory(task, uses):
    """Fill the heap to the last block, make a trap with it full, and ask for more."""
    kept = []
    size = _LEAK_BYTES
    while True:
        try:
            kept.append(bytearray(size))
        except MemoryError:
            size //= 2
            if size < _SMALLEST_BYTES:
                break
    yield YIELD
    raise MemoryError


def forge(task, uses):
    """Use a handle that it never got."""
    yield task.call(SLOT_MASK << HANDLE_SHIFT, NONSENSE)


def use_stale(task, uses):
    """Give a capability up and use its handle after that."""
    for name, handle in task.handles.items():
        if name:
            yield task.delete(handle)
            yield handle | ACKNOWLEDGE


def use_revoked(task, uses):
    """Copy a capability, revoke the copy and use it: raise what that was answered with."""
    for handle, rights in _reached(task, uses):
        yield task.reopen(handle)
        yield task.copy(handle)
        copy = task.arg
        yield task.revoke(handle)
        status = yield use(task, copy, rights)
        raise InjectedCrash("a revoked handle answers %d" % status)


def trap_wrongly(task, uses):
    """Make a trap that means nothing."""
    yield (1 << TRAP_SHIFT) * 31


def send_list(task, uses):
    """Send what no message may hold."""
    for handle, rights in _reached(task, uses):
        if rights & (MAY_CALL | MAY_SEND):
            yield task.reopen(handle)  # a dead one would answer before it looks at the list
            yield use(task, handle, rights, [])


def use(task, handle, rights, arg=None):
    """Return a trap through a capability that has one of the rights."""
    if rights & MAY_SEND:
        return task.send(handle, NONSENSE, arg, 1)
    if rights & MAY_CALL:
        return task.call(handle, NONSENSE, arg, _USE_MS)
    return task.notify(handle, 0)


def _reached(task, uses):
    return [
        (task.handles[name], rights)
        for name, _, rights, _ in uses
        if rights & (MAY_CALL | MAY_SEND | MAY_NOTIFY)
    ]


MISDEEDS = {
    CRASH: crash,
    SPIN: spin,
    HANG: hang,
    LEAK: leak,
    RETURN: give_up,
    SPIN_IN_C: spin_in_c,
    MEMORY_FULL: fill_memory,
    CATCH_KILL: catch_kill,
    FORGED_HANDLE: forge,
    STALE_HANDLE: use_stale,
    REVOKED_HANDLE: use_revoked,
    BAD_TRAP: trap_wrongly,
    BAD_MESSAGE: send_list,
}
