"""The system-call frame: how a task puts a trap's operands together.

Every method returns the trap word, to be yielded at once:

    status = yield task.call(led, TOGGLE)

The yield's value is the trap's result. Statuses 0 to 191 are the peer's own; the kernel's
(TIMEOUT, DEAD, NOTIFIED, FULL, UNKNOWN) begin at 192. A value travels in `task.arg`, both ways.
No method allocates. A timeout is milliseconds, below 2**31, which is 24 days; one that is negative
is over at once, as 0 is. An operand that cannot be is a BadOperand, which ends the service with a
SYSCALL fault that names it.
"""

from kernel.abi import (
    ACCEPTING, ACKNOWLEDGE, ALL_RIGHTS, ATTEND, CALL, DELETE, EXTRA, FAULT_TEXT, GRANTING,
    HANDLE_SHIFT, HAND_OVER, INJECT, INSPECT, LEASE_OFFSET_MASK, LEASE_READ, LEASE_WRITE,
    MAKE_SAFE, MINT, NEXT_FAULT, NOTIFY, OPERATIONS, READABLE, READ_FAULT, READ_WORDS, RECV,
    RECYCLE, REOPEN, REPLACE, REPLY, REPLY_FAULT, REPLY_RECV, RETURNED, REVOKE, SEND, SLEEP, START,
    STASH, STOP, TIMED, WRITABLE, WRITE, YIELD,
)  # fmt: skip
from micropython import const
import micropython

_HANDLE_MAX = const(0x3FFFFFF)
_BESIDE_HANDLE = const(0x1FFF)  # bits of a trap word below those of the handle
_TIMEOUT_MS_MAX = const(0x7FFFFFFF)
_BITS_MAX = const(0x3FFFFFF)  # the kernel's own are above
_BADGE_MAX = const(0x3FFF)
_TOKEN_MAX = const(0xFFFFFFF)
_NUMBER_MAX = const(0x3FFFFFFF)
_TASK_MAX = const(0xFF)
_KIND_MAX = const(0xFF)
_WORDS_MAX = const(0xFF)
_SHOWN_MAX = const(24)  # characters of a number
_STATUS = "a whole number from 0 to 191"


class NoCapability(Exception):
    """The manifest grants no capability of that name."""


class BadOperand(BaseException):
    """An operand of a trap is none that there can be: no `except Exception` goes on after it."""


class Frame:
    """One incarnation's frame, the `task` that `main(task)` gets."""

    arg = None
    buffer = None
    keeper = None
    handed = None

    def __init__(self, registers, handles):
        self.registers = registers
        self.handles = handles
        self.arg = None
        self.buffer = None
        # What `recv` without a timeout is: looked up in place of a call of it, see `quicken` of
        # the host tools.
        self.waits = RECV

    def cap(self, name):
        """Return the handle of the capability that service.toml calls `name`."""
        handle = self.handles.get(name)
        if handle is None:
            raise NoCapability(
                "no capability '" + name + "': name it under [uses] in service.toml"
            )
        return handle

    def name(self):
        """Return the name of this service: of several with one code each has its own."""
        return self.handles[""]

    def call(self, handle, operation, arg=None, timeout_ms=None):
        """Send a message and wait for the reply: the server's status, DEAD or TIMEOUT.

        Without `timeout_ms` the deadline is CALL_TIMEOUT_US away; there is always one.
        """
        self.arg = arg
        if timeout_ms is None:
            return _reach_with("call", handle, operation) + CALL
        self.registers[0] = _timeout("call", timeout_ms)
        return _reach_with("call", handle, operation) + (CALL + TIMED)

    def recv(self, timeout_ms=None):
        """Wait for a message (its operation), NOTIFIED or TIMEOUT."""
        if timeout_ms is None:
            return self.waits
        self.registers[0] = _timeout("recv", timeout_ms)
        return RECV + TIMED

    def attend(self):
        """Wait for an interrupt in the hardware interrupt itself: `recv` of a hard driver."""
        return ATTEND

    def reply(self, status, arg=None):
        """Answer the caller received last. Never blocks, never fails."""
        self.arg = arg
        return _status("reply", status) + REPLY

    def reply_recv(self, status, arg=None, timeout_ms=None):
        """Answer the caller received last and wait for the next, as `reply` and `recv`."""
        self.arg = arg
        if timeout_ms is None:
            return _status("reply_recv", status) + REPLY_RECV
        self.registers[0] = _timeout("reply_recv", timeout_ms)
        return _status("reply_recv", status) + (REPLY_RECV + TIMED)

    def reply_to(self, caller, status, arg=None):
        """Answer an earlier caller, by what `caller()` gave when it was received."""
        self.arg = arg
        self.registers[0] = _number("reply_to: caller", caller, _TOKEN_MAX)
        return _status("reply_to", status) + (REPLY + TIMED)

    def reply_fault(self):
        """Fault the caller received last: it broke the protocol of this service."""
        return REPLY_FAULT

    def send(self, handle, operation, arg=None, timeout_ms=None):
        """Put a message into a mailbox, wanting no reply: OK, FULL, DEAD, TIMEOUT if it blocks."""
        self.arg = arg
        if timeout_ms is None:
            return _reach_with("send", handle, operation) + SEND
        self.registers[0] = _timeout("send", timeout_ms)
        return _reach_with("send", handle, operation) + (SEND + TIMED)

    def notify(self, handle, bits):
        """OR `bits` (0 to 25) into the pending word of a task: OK or DEAD."""
        self.registers[0] = _number("notify: bits", bits, _BITS_MAX)
        return _reach("notify", handle) + NOTIFY

    def sleep(self, milliseconds):
        """Wait; 0 gives way to equals."""
        milliseconds = _timeout("sleep", milliseconds)
        if milliseconds == 0:
            return YIELD
        self.registers[0] = milliseconds
        return SLEEP + TIMED

    def acknowledge(self, handle):
        """Unmask an interrupt line of this driver."""
        return _reach("acknowledge", handle) + ACKNOWLEDGE

    def hand_over(self, handle):
        """Leave the rest of console input to the prompt, for a Ctrl-C that has been read.

        `handle` is the console's line, which stays masked: acknowledge it once more.
        """
        return _reach("hand_over", handle) + (ACKNOWLEDGE + HAND_OVER)

    def write(self, handle, data, start=0):
        """Put the bytes `data` on the console from `start` on; `count()` is how many it took.

        OK, with fewer or none where the host takes no more now; FULL while the prompt has the
        line: once that is left the line fires. `handle` is the console's line.
        """
        self.arg = data
        self.registers[3] = start
        return _reach("write", handle) + (ACKNOWLEDGE + WRITE)

    def reopen(self, handle):
        """After DEAD: name the peer's present incarnation. OK, or DEAD while there is none."""
        return _reach("reopen", handle) + REOPEN

    def caller(self):
        """Return the token of the caller received last, 0 when the message wants no reply."""
        return self.registers[1]

    def badge(self):
        """Return the badge of the capability the last message came through."""
        return self.registers[2]

    def bits(self):
        """Return the notification bits that the last NOTIFIED stands for."""
        return self.registers[3]

    def copy(self, handle):
        """Copy a capability: OK and the copy's handle in `arg`, or FULL without a free slot.

        One that has taken 63 capabilities is no free one: see `recycle`.
        """
        return _reach("copy", handle) + (MINT + ALL_RIGHTS)

    def mint(self, handle, rights, badge=None):
        """Copy a capability with some of its rights; a badge of one's own needs MAY_GRANT."""
        word = _reach("mint", handle) + _number("mint: rights", rights, ALL_RIGHTS, 1) + MINT
        if badge is None:
            return word
        self.registers[0] = _number("mint: badge", badge, _BADGE_MAX)
        return word + TIMED

    def delete(self, handle):
        """Give a capability up: OK. What was derived from it goes on.

        Its handle never names anything again, so a slot takes 63 capabilities, one after the
        other, and no more before `recycle`.
        """
        return _reach("delete", handle) + DELETE

    def recycle(self):
        """Let slots that have taken 63 capabilities take others again: OK.

        Only for who has forgotten each handle that it has deleted: one kept may name what comes.
        """
        return DELETE + RECYCLE

    def revoke(self, handle):
        """Take back every copy that was derived from a capability, in every task: OK."""
        return _reach("revoke", handle) + REVOKE

    def call_lending(self, handle, operation, buffer, rights, arg=None, timeout_ms=None):
        """Call, and lend `buffer` until the reply: READABLE, WRITABLE or both is what for."""
        self.buffer = buffer
        self.arg = arg
        if type(rights) is not int or rights & ~(READABLE | WRITABLE) or not rights:
            _refuse("call_lending: rights", rights, "READABLE, WRITABLE or both")
        if timeout_ms is None:
            return _reach_with("call_lending", handle, operation) + rights + CALL
        self.registers[0] = _timeout("call_lending", timeout_ms)
        return _reach_with("call_lending", handle, operation) + rights + (CALL + TIMED)

    def lease_read(self, offset, into, caller=0):
        """Copy what a caller lent, from `offset` on, into a buffer of one's own: OK or DEAD.

        `count()` is how many bytes there were, at most 4,096. The caller is the one received
        last, or an earlier one by what `caller()` gave.
        """
        self.buffer = into
        offset = _offset("lease_read", offset)
        if caller == 0 and 0 <= offset <= LEASE_OFFSET_MASK:
            return LEASE_READ + (offset << HANDLE_SHIFT)
        self.registers[3] = offset
        if caller != 0:
            self.registers[0] = _number("lease_read: caller", caller, _TOKEN_MAX)
            return LEASE_READ + EXTRA + TIMED
        return LEASE_READ + EXTRA

    def lease_write(self, offset, data, caller=0):
        """Copy a buffer of one's own into what a caller lent, as `lease_read`."""
        self.buffer = data
        offset = _offset("lease_write", offset)
        if caller == 0 and 0 <= offset <= LEASE_OFFSET_MASK:
            return LEASE_WRITE + (offset << HANDLE_SHIFT)
        self.registers[3] = offset
        if caller != 0:
            self.registers[0] = _number("lease_write: caller", caller, _TOKEN_MAX)
            return LEASE_WRITE + EXTRA + TIMED
        return LEASE_WRITE + EXTRA

    def count(self):
        """Return how many bytes the last lease_read, lease_write or write took."""
        return self.registers[3]

    def call_granting(self, handle, operation, granted, arg=None, timeout_ms=None):
        """Call, and give the server a copy of a capability; FULL if it cannot take it."""
        granted = _reach("call_granting", granted)
        self.registers[4] = self.registers[4] & ACCEPTING | granted | GRANTING
        self.arg = arg
        if timeout_ms is None:
            return _reach_with("call_granting", handle, operation) + (CALL + EXTRA)
        self.registers[0] = _timeout("call_granting", timeout_ms)
        return _reach_with("call_granting", handle, operation) + (CALL + EXTRA + TIMED)

    def reply_granting(self, status, granted, arg=None, caller=0):
        """Answer a caller, and give it a copy of a capability: OK.

        FULL if it cannot take that, which leaves the caller waiting for an answer.
        """
        granted = _reach("reply_granting", granted)
        self.registers[4] = self.registers[4] & ACCEPTING | granted | GRANTING
        self.arg = arg
        if caller != 0:
            self.registers[0] = _number("reply_granting: caller", caller, _TOKEN_MAX)
            return _status("reply_granting", status) + (REPLY + EXTRA + TIMED)
        return _status("reply_granting", status) + (REPLY + EXTRA)

    def accept(self):
        """Take a capability with the next message, or reply, that brings one: see `granted`."""
        self.registers[4] = ACCEPTING

    def granted(self):
        """Return the handle that came since `accept`, 0 if none has."""
        return self.registers[4] >> HANDLE_SHIFT << HANDLE_SHIFT

    def stash(self, value):
        """Keep a message's value for the next incarnation of this service, None for nothing: OK.

        It outlives faults, not a stop on purpose: that is a fresh start.
        """
        self.arg = value
        return STASH

    def unstash(self):
        """Get what an earlier incarnation stashed into `arg`: OK, or UNKNOWN without.

        It is given once, so what made one incarnation fail does not make all others fail: stash
        it again once it has proved good.
        """
        return STASH + 1

    def carry_over(self, keeper):
        """Let `keeper` carry this service's state over an update of its code.

        Its `export_state()` returns a message's value, or up to 4,096 bytes, when the old code
        rests at a `recv`. The new keeper gets that, here, by `import_state(version, state)`,
        with the version of the code that it came from. Returns whether there was a state.
        """
        self.keeper = keeper
        if self.handed is None:
            return False
        version, state = self.handed
        self.handed = None
        keeper.import_state(version, state)
        return True

    # What follows needs the capability "kernel" with the right to control tasks.

    def start(self, kernel, task):
        """Start task number `task`: OK, UNKNOWN, or FULL when there is no memory."""
        return _control("start", kernel, task) + START

    def stop(self, kernel, task, fault=None):
        """Stop a task for good, or with a fault of the kind given."""
        self.arg = None if fault is None else _number("stop: fault", fault, RETURNED)
        return _control("stop", kernel, task) + STOP

    def make_safe(self, kernel, task):
        """Hold the outputs of a task that goes on in their safe state until it is started anew.

        OK, or UNKNOWN for a task that has ended: those of such a one are held.
        """
        return _control("make_safe", kernel, task) + MAKE_SAFE

    def reset_board(self, kernel, task, cause):
        """Reset the board, keeping that a task is why: `cause` is one of `abi`'s."""
        self.registers[0] = _number("reset_board: cause", cause, _KIND_MAX)
        return _control("reset_board", kernel, task) + (STOP + TIMED)

    def inspect(self, kernel, task):
        """Get a task's words into `arg`, as a memoryview of a copy: OK or UNKNOWN.

        They are those of its record and what follows there, see `kernel/layout.py`.
        """
        return _control("inspect", kernel, task) + INSPECT

    def read_words(self, kernel, offset, count):
        """Get `count` of the kernel's words into `arg`, in that way: OK, UNKNOWN beyond all."""
        self.registers[0] = _number("read_words: offset", offset, _NUMBER_MAX)
        count = _number("read_words: count", count, _WORDS_MAX)
        return _reach("read_words", kernel) + count + READ_WORDS

    def next_fault(self, kernel):
        """Get the number of a task that faulted and has not been reported yet, 0 for none.

        `badge()` is the fault's kind then, `bits()` the task's generation now. While there are
        more, the notification stays pending.
        """
        return _reach("next_fault", kernel) + NEXT_FAULT

    def fault_text(self, kernel, task, offset=0):
        """Get a piece of a task's newest traceback into `arg`: bytes, none after the end."""
        self.arg = _number("fault_text: offset", offset, _NUMBER_MAX)
        return _control("fault_text", kernel, task) + FAULT_TEXT

    def read_fault(self, kernel):
        """Get the records of the newest faults into `arg`, as bytes of `kernel/records.py`: OK."""
        return _reach("read_fault", kernel) + READ_FAULT

    def inject(self, kernel, task, kind):
        """Make a task misbehave: `kind` is one of `abi`'s injections."""
        self.arg = _number("inject: kind", kind, _KIND_MAX)
        return _control("inject", kernel, task) + INJECT

    def replace(self, kernel, task, verb, arg=None):
        """Do one step of putting new code in place of a task's: `verb` is LOAD, SWAP, and so on.

        OK, or UNKNOWN with the reason in `arg`, FULL to be tried later, DEAD without new code.
        """
        self.registers[0] = _number("replace: verb", verb, _KIND_MAX)
        self.arg = arg
        return _control("replace", kernel, task) + REPLACE


def _judges(kind, whole):
    """Return what judges a handle, and a handle and an operation, of a trap's word.

    Compiled, and with `type` and `int` at hand, which are found behind all names of this module
    and 99 builtins: a hard driver that the build has not seen spends this time in its interrupt.
    """

    @micropython.native
    def reach(trap, handle):
        if kind(handle) is not whole or not 0 <= handle <= _HANDLE_MAX or handle & _BESIDE_HANDLE:
            _refuse(trap + ": handle", handle, "a handle that this service was given")
        return handle

    @micropython.native
    def reach_with(trap, handle, operation):
        if kind(handle) is not whole or not 0 <= handle <= _HANDLE_MAX or handle & _BESIDE_HANDLE:
            _refuse(trap + ": handle", handle, "a handle that this service was given")
        if kind(operation) is not whole or not 0 <= operation < OPERATIONS:
            _refuse(trap + ": operation", operation, _STATUS)
        return handle + operation

    return reach, reach_with


_reach, _reach_with = _judges(type, int)


def _control(trap, kernel, task):
    """Return what the handle of the kernel and a task's number are of a trap's word."""
    if type(task) is not int or not 0 <= task <= _TASK_MAX:
        _refuse(trap + ": task", task, "a whole number from 0 to 255")
    return _reach(trap, kernel) + task


def _status(trap, status):
    if type(status) is not int or not 0 <= status < OPERATIONS:
        _refuse(trap + ": status", status, _STATUS)
    return status


def _timeout(trap, milliseconds):
    if type(milliseconds) is not int or milliseconds > _TIMEOUT_MS_MAX:
        _refuse(trap + ": timeout", milliseconds, "a whole number of ms below 2**31")
    return milliseconds if milliseconds > 0 else 0


def _offset(trap, offset):
    """Return an offset, -1 for one outside of any buffer: a client may have named it."""
    if type(offset) is not int:
        _refuse(trap + ": offset", offset, "a whole number")
    return offset if 0 <= offset <= _NUMBER_MAX else -1


def _number(operand, value, most, least=0):
    """Return an operand that is a whole number in a range."""
    if type(value) is not int or not least <= value <= most:
        _refuse(operand, value, "a whole number from %d to %d" % (least, most))
    return value


def _refuse(operand, value, wanted):
    """End the service: an operand is none that there can be."""
    kind = type(value)
    shown = "a " + kind.__name__
    if kind is int or kind is float or kind is bool:
        shown = str(value)[:_SHOWN_MAX] + ", " + shown
    raise BadOperand("%s is %s, and has to be %s" % (operand, shown, wanted))
