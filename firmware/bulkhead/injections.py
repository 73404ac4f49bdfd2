"""Injected misbehaviour: what a service is made to do in place of its next step, or of a reply.

Each generator stands in for the service's own, so it runs as that service, at its priority, under
its budget, with its capabilities, and the kernel's answer to it is the answer to the real thing.
It closes the service's own when it ends. The first `yield` is there since a generator must be
started with None. The module is loaded when something is injected first.

What waits for its occasion shows in the trace: a trap YIELD with the operation MARK, right before
and with the steps that follow.
"""

from kernel.abi import (
    ACKNOWLEDGE, BAD_MESSAGE, BAD_TRAP, CATCH_KILL, CLOCK_JUMP, CRASH, DOUBLE_REPLY, DROP_REPLY,
    FLOOD, FORGED_HANDLE, HANDLE_SHIFT, HANG, KILL_IN_CALL, KILL_IN_START, LATE_REPLY, LEAK,
    LOST_INTERRUPT, MARK, MAY_CALL, MAY_NOTIFY, MAY_SEND, MEMORY_FULL, NONSENSE, NOTIFIED, RECV,
    REPLY, REPLY_FAULT, REPLY_RECV, RETURN, REVOKED_HANDLE, SLEEP, SLOT_MASK, SPIN, SPIN_IN_C,
    STALE_HANDLE, TIMED, TRAP_SHIFT, WRONG_REPLY, YIELD,
)  # fmt: skip
from micropython import const

_TRAP = const(31 << 8)
_LEAK_BYTES = const(2048)
_SMALLEST_BYTES = const(16)
_LONG = const(50_000)  # numbers summed in one C call: some 75 ms
_FLOOD_ROUNDS = const(100)
_USE_MS = const(2)  # for an answer: a flood does not wait for who receives nothing
_MARKED_LAST = const(512)  # steps 1, 2, 4, 8, ... are marked: who reads the trace finds one
_LATE_MS = const(1_200)  # after CALL_TIMEOUT_US
_JUMP_US = const(1_000_000)  # half of what the host waits for the answer to its order


class InjectedCrash(Exception):
    """What an injected crash raises."""


def stand_in(kind, generator, sys, uses, lines, timed, stop):
    """Return what stands in for `generator`, None where the service cannot fail in that way.

    `sys` is the service's frame, `uses` what its manifest grants, as in the system's table, and
    `lines` its interrupt lines. `timed` is TIMED where the service waits with a timeout. `stop`
    has the board stand still for microseconds.
    """
    if DROP_REPLY <= kind <= KILL_IN_CALL:
        return at_reply(kind, generator, sys)
    if kind == FLOOD:
        return first(generator, sys, lambda: flood(sys, uses))
    if kind == KILL_IN_START:
        return in_start(generator)
    if kind == LOST_INTERRUPT:
        return lines and without_interrupt(generator, sys, lines, timed)
    if kind == CLOCK_JUMP:
        return first(generator, sys, lambda: stop(_JUMP_US))
    misdeed = MISDEEDS.get(kind)
    return misdeed and instead(misdeed, generator, sys, uses)


def instead(misdeed, generator, sys, uses):
    """Commit a misdeed in place of all that the service would do."""
    try:
        yield
        traps = misdeed(sys, uses)
        if traps:
            yield from traps
    finally:
        generator.close()


def in_start(generator):
    """Let the service load its module and begin, and raise where it would first yield."""
    yield
    generator.send(None)
    raise InjectedCrash("killed in its start")


def first(generator, sys, misdeed):
    """Commit a misdeed before the service's next step, then go on as if nothing had been."""
    result = yield
    try:
        arg = sys.arg
        registers = list(sys.registers)
        yield YIELD | MARK
        traps = misdeed()
        if traps:
            yield from traps
        sys.arg = arg
        for index, register in enumerate(registers):
            sys.registers[index] = register
        yield from marked(generator, generator.send(result))
    except StopIteration:
        return
    finally:
        generator.close()


def without_interrupt(generator, sys, lines, timed):
    """Go on, but take the next interrupt in the service's place, and let the line fire again."""
    result = yield
    trap = RECV | timed
    try:
        timeout_ms = sys.registers[0]
        while result != NOTIFIED or not sys.bits() & (1 << len(lines)) - 1:
            trap = generator.send(result)
            timeout_ms = sys.registers[0]
            result = yield trap
        bits = sys.bits()
        yield YIELD | MARK
        for index, line in enumerate(lines):
            if bits >> index & 1:
                yield sys.acknowledge(sys.handles[line[0]])
        rest = bits >> len(lines) << len(lines)
        if rest:  # what others have notified is the service's
            sys.registers[3] = rest
            trap = generator.send(NOTIFIED)
        else:
            sys.registers[0] = timeout_ms
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


def at_reply(kind, generator, sys):
    """Go on, but do wrong at the next reply that somebody waits for."""
    result = yield
    try:
        while True:
            trap = generator.send(result)
            caller = answered(sys, trap)
            if caller:
                break
            result = yield trap
        timeout_ms = sys.registers[0]
        yield YIELD | MARK
        rest = YIELD if trap & _TRAP == REPLY else RECV | trap & TIMED
        if kind == KILL_IN_CALL:
            raise InjectedCrash("killed in the middle of a call")
        if kind == DROP_REPLY:
            trap = rest
        elif kind == WRONG_REPLY:
            sys.arg = b"nonsense"
            trap = trap & ~0xFF | NONSENSE
        elif kind == DOUBLE_REPLY:
            arg = sys.arg
            yield trap if rest == YIELD else trap & 0xFF | REPLY
            yield sys.reply_to(caller, trap & 0xFF, arg)
            trap = rest
        elif kind == LATE_REPLY:
            yield sys.sleep(_LATE_MS)
        else:
            received, sys.registers[1] = sys.caller(), caller
            yield REPLY_FAULT
            sys.registers[1] = received
            trap = rest
        sys.registers[0] = timeout_ms
        yield from marked(generator, trap)
    except StopIteration:
        return
    finally:
        generator.close()


def answered(sys, trap):
    """Return the token of whom a trap replies to, 0 when it does not, or nobody waits."""
    if trap & (_TRAP | TIMED) == REPLY | TIMED:
        return sys.registers[0]
    if trap & _TRAP == REPLY or trap & _TRAP == REPLY_RECV:
        return sys.caller()
    return 0


def crash(sys, uses):
    """Raise."""
    raise InjectedCrash("injected by the operator")


def flood(sys, uses):
    """Use every capability as often and as fast as it goes."""
    for _ in range(_FLOOD_ROUNDS):
        for handle, rights in _reached(sys, uses):
            yield use(sys, handle, rights)


def give_up(sys, uses):
    """Return."""


def spin(sys, uses):
    """Never yield."""
    while True:
        pass


def spin_in_c(sys, uses):
    """Never yield, in C calls each longer than the budget of most."""
    while True:
        sum(range(_LONG))


def catch_kill(sys, uses):
    """Never yield, catch the kill for it, and go on."""
    try:
        while True:
            pass
    except BaseException:
        pass
    yield SLEEP


def hang(sys, uses):
    """Sleep without end."""
    yield SLEEP


def leak(sys, uses):
    """Allocate without end."""
    kept = []
    while True:
        kept.append(bytearray(_LEAK_BYTES))


def fill_memory(sys, uses):
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


def forge(sys, uses):
    """Use a handle that it never got."""
    yield sys.call(SLOT_MASK << HANDLE_SHIFT, NONSENSE)


def use_stale(sys, uses):
    """Give a capability up and use its handle after that."""
    for name, handle in sys.handles.items():
        if name:
            yield sys.delete(handle)
            yield handle | ACKNOWLEDGE


def use_revoked(sys, uses):
    """Copy a capability, revoke the copy and use it: raise what that was answered with."""
    for handle, rights in _reached(sys, uses):
        yield sys.reopen(handle)
        yield sys.copy(handle)
        copy = sys.arg
        yield sys.revoke(handle)
        status = yield use(sys, copy, rights)
        raise InjectedCrash("a revoked handle answers %d" % status)


def trap_wrongly(sys, uses):
    """Make a trap that means nothing."""
    yield (1 << TRAP_SHIFT) * 31


def send_list(sys, uses):
    """Send what no message may hold."""
    for handle, rights in _reached(sys, uses):
        if rights & (MAY_CALL | MAY_SEND):
            yield sys.reopen(handle)  # a dead one would answer before it looks at the list
            yield use(sys, handle, rights, [])


def use(sys, handle, rights, arg=None):
    """Return a trap through a capability that has one of the rights."""
    if rights & MAY_SEND:
        return sys.send(handle, NONSENSE, arg, 1)
    if rights & MAY_CALL:
        return sys.call(handle, NONSENSE, arg, _USE_MS)
    return sys.notify(handle, 0)


def _reached(sys, uses):
    return [
        (sys.handles[name], rights)
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
