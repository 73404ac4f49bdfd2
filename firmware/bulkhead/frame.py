"""The system-call frame: how a task puts a trap's operands together.

Every method returns the trap word, to be yielded at once:

    status = yield sys.call(led, TOGGLE)

The yield's value is the trap's result. Statuses 0 to 191 are the peer's own; the kernel's
(TIMEOUT, DEAD, NOTIFIED, FULL, UNKNOWN) begin at 192. A value travels in `sys.arg`, both ways.
No method allocates; timeouts are milliseconds.
"""

from kernel.abi import (
    ACCEPTING, ACKNOWLEDGE, ALL_RIGHTS, ATTEND, CALL, DELETE, EXTRA, FAULT_TEXT, GRANTING,
    HANDLE_SHIFT, HAND_OVER, INJECT, INSPECT, INSPECT_LINE, LEASE_OFFSET_MASK, LEASE_READ,
    LEASE_WRITE, MINT, NEXT_FAULT, NOTIFY, READ_FAULT, READ_TRACE, RECV, RECV_FROM, REOPEN,
    REPLACE, REPLY, REPLY_FAULT, REPLY_RECV, REVOKE, SEND, SLEEP, START, STASH, STOP, TIMED, YIELD,
)  # fmt: skip


class NoCapability(Exception):
    """The manifest grants no capability of that name."""


class Frame:
    """One incarnation's frame, the `sys` that `main(sys)` gets."""

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
            return handle + operation + CALL
        self.registers[0] = timeout_ms
        return handle + operation + (CALL + TIMED)

    def recv(self, timeout_ms=None):
        """Wait for a message (its operation), NOTIFIED or TIMEOUT."""
        if timeout_ms is None:
            return self.waits
        self.registers[0] = timeout_ms
        return RECV + TIMED

    def attend(self):
        """Wait for an interrupt in the hardware interrupt itself: `recv` of a hard driver."""
        return ATTEND

    def reply(self, status, arg=None):
        """Answer the caller received last. Never blocks, never fails."""
        self.arg = arg
        return status + REPLY

    def reply_recv(self, status, arg=None, timeout_ms=None):
        """Answer the caller received last and wait for the next, as `reply` and `recv`."""
        self.arg = arg
        if timeout_ms is None:
            return status + REPLY_RECV
        self.registers[0] = timeout_ms
        return status + (REPLY_RECV + TIMED)

    def reply_to(self, caller, status, arg=None):
        """Answer an earlier caller, by what `caller()` gave when it was received."""
        self.arg = arg
        self.registers[0] = caller
        return status + (REPLY + TIMED)

    def reply_fault(self):
        """Fault the caller received last: it broke the protocol of this service."""
        return REPLY_FAULT

    def send(self, handle, operation, arg=None, timeout_ms=None):
        """Put a message into a mailbox, wanting no reply: OK, FULL, DEAD, TIMEOUT if it blocks."""
        self.arg = arg
        if timeout_ms is None:
            return handle + operation + SEND
        self.registers[0] = timeout_ms
        return handle + operation + (SEND + TIMED)

    def notify(self, handle, bits):
        """OR `bits` (0 to 25) into the pending word of a task: OK or DEAD."""
        self.registers[0] = bits
        return handle + NOTIFY

    def sleep(self, milliseconds):
        """Wait; 0 gives way to equals."""
        if milliseconds == 0:
            return YIELD
        self.registers[0] = milliseconds
        return SLEEP + TIMED

    def acknowledge(self, handle):
        """Unmask an interrupt line of this driver."""
        return handle + ACKNOWLEDGE

    def hand_over(self, handle):
        """Leave the rest of console input to the prompt, for a Ctrl-C that has been read.

        `handle` is the console's line, which stays masked: acknowledge it once more.
        """
        return handle + ACKNOWLEDGE + HAND_OVER

    def reopen(self, handle):
        """After DEAD: name the peer's present incarnation. OK, or DEAD while there is none."""
        return handle + REOPEN

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
        """Copy a capability: OK and the copy's handle in `arg`, or FULL without a free slot."""
        return handle + (MINT + ALL_RIGHTS)

    def mint(self, handle, rights, badge=None):
        """Copy a capability with some of its rights; a badge of one's own needs MAY_GRANT."""
        if badge is None:
            return handle + MINT + rights
        self.registers[0] = badge
        return handle + MINT + TIMED + rights

    def delete(self, handle):
        """Give a capability up: OK. What was derived from it goes on."""
        return handle + DELETE

    def revoke(self, handle):
        """Take back every copy that was derived from a capability, in every task: OK."""
        return handle + REVOKE

    def recv_from(self, handle, timeout_ms=None):
        """Wait for a call of one task and no other, NOTIFIED or TIMEOUT; DEAD when it dies."""
        if timeout_ms is None:
            return handle + RECV_FROM
        self.registers[0] = timeout_ms
        return handle + RECV_FROM + TIMED

    def call_lending(self, handle, operation, buffer, rights, arg=None, timeout_ms=None):
        """Call, and lend `buffer` until the reply: READABLE, WRITABLE or both is what for."""
        self.buffer = buffer
        self.arg = arg
        if timeout_ms is None:
            return handle + operation + rights + CALL
        self.registers[0] = timeout_ms
        return handle + operation + rights + (CALL + TIMED)

    def lease_read(self, offset, into, caller=0):
        """Copy what a caller lent, from `offset` on, into a buffer of one's own: OK or DEAD.

        `count()` is how many bytes there were, at most 4,096. The caller is the one received
        last, or an earlier one by what `caller()` gave.
        """
        self.buffer = into
        if not caller and 0 <= offset <= LEASE_OFFSET_MASK:
            return LEASE_READ + (offset << HANDLE_SHIFT)
        self.registers[3] = offset
        if caller:
            self.registers[0] = caller
            return LEASE_READ + EXTRA + TIMED
        return LEASE_READ + EXTRA

    def lease_write(self, offset, data, caller=0):
        """Copy a buffer of one's own into what a caller lent, as `lease_read`."""
        self.buffer = data
        if not caller and 0 <= offset <= LEASE_OFFSET_MASK:
            return LEASE_WRITE + (offset << HANDLE_SHIFT)
        self.registers[3] = offset
        if caller:
            self.registers[0] = caller
            return LEASE_WRITE + EXTRA + TIMED
        return LEASE_WRITE + EXTRA

    def count(self):
        """Return how many bytes the last lease_read or lease_write copied."""
        return self.registers[3]

    def call_granting(self, handle, operation, granted, arg=None, timeout_ms=None):
        """Call, and give the server a copy of a capability; FULL if it cannot take it."""
        self.registers[4] = self.registers[4] & ACCEPTING | granted | GRANTING
        self.arg = arg
        if timeout_ms is None:
            return handle + operation + CALL + EXTRA
        self.registers[0] = timeout_ms
        return handle + operation + CALL + EXTRA + TIMED

    def reply_granting(self, status, granted, arg=None, caller=0):
        """Answer a caller, and give it a copy of a capability: OK.

        FULL if it cannot take that, which leaves the caller waiting for an answer.
        """
        self.registers[4] = self.registers[4] & ACCEPTING | granted | GRANTING
        self.arg = arg
        if caller:
            self.registers[0] = caller
            return status + REPLY + EXTRA + TIMED
        return status + REPLY + EXTRA

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
        return kernel + START + task

    def stop(self, kernel, task, fault=None):
        """Stop a task for good, or with a fault of the kind given."""
        self.arg = fault
        return kernel + STOP + task

    def reset_board(self, kernel, task, cause):
        """Reset the board, keeping that a task is why: `cause` is one of `abi`'s."""
        self.registers[0] = cause
        return kernel + STOP + TIMED + task

    def inspect(self, kernel, task):
        """Get a task's state into `arg`, bytes in `abi.INSPECT_FORMAT`."""
        return kernel + INSPECT + task

    def inspect_capability(self, kernel, task, slot):
        """Get a capability of a task into `arg`, bytes in `abi.CAPABILITY_FORMAT`.

        Slots count from 0, those of the manifest first; UNKNOWN beyond the last.
        """
        self.registers[0] = slot
        return kernel + INSPECT + TIMED + task

    def inspect_line(self, kernel, line):
        """Get the state of a line, numbered from 0, into `arg`, bytes in `abi.LINE_FORMAT`."""
        return kernel + INSPECT_LINE + line

    def next_fault(self, kernel):
        """Get the number of a task that faulted and has not been reported yet, 0 for none.

        `badge()` is the fault's kind then, `bits()` the task's generation now. While there are
        more, the notification stays pending.
        """
        return kernel + NEXT_FAULT

    def fault_text(self, kernel, task, offset=0):
        """Get a piece of a task's newest traceback into `arg`: bytes, none after the end.

        Of task 0: what ended the board's last run.
        """
        self.arg = offset
        return kernel + FAULT_TEXT + task

    def read_fault(self, kernel, task):
        """Get a task's newest fault into `arg`, bytes in `abi.FAULT_FORMAT`: OK or UNKNOWN.

        Of task 0: what ended the board's last run.
        """
        return kernel + READ_FAULT + task

    def read_trace(self, kernel, position):
        """Get records of the trace into `arg`: the number of the first, then `abi.TRACE_FORMAT`.

        Records are numbered from boot, modulo 2**30; those before `position`, and the newest, are
        not given.
        """
        self.arg = position
        return kernel + READ_TRACE

    def inject(self, kernel, task, kind):
        """Make a task misbehave: `kind` is one of `abi`'s injections."""
        self.arg = kind
        return kernel + INJECT + task

    def replace(self, kernel, task, verb, arg=None):
        """Do one step of putting new code in place of a task's: `verb` is LOAD, SWAP, and so on.

        OK, or UNKNOWN with the reason in `arg`, FULL to be tried later, DEAD without new code.
        """
        self.registers[0] = verb
        self.arg = arg
        return kernel + REPLACE + task
