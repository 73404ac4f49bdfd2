"""What a message carries besides its value: a capability it grants, or memory it lends.

A grant copies a capability of the sender into the receiver's table at the moment the message is
received, so one that is not received gives nothing away. The receiver has to accept: a table that
others could fill at will would be theirs. What it gets has all rights but that to grant, so who
may ever hand on what is in the manifests; it is derived from the sender's, and dies with that.

A lease is a window on the caller's `Frame.buffer` that lasts as long as its call does. The server
never holds the buffer: the kernel copies between it and the server's own. What was not lent, or
lies outside, is a window of no bytes, so no caller can fault its server.
"""

from struct import pack_into

from kernel.abi import (
    ACCEPTING, DEAD, GRANTING, LEASE_READ, MAY_CALL, MAY_GRANT, MAY_NOTIFY, MAY_SEND, OK, READABLE,
    SERVED, TIMED, TRAP_SHIFT, WRITABLE,
)  # fmt: skip
from kernel.capabilities import NoRight, derive, lookup
from kernel.layout import (
    BADGE_SHIFT, GRANTS, LENT, LENT_SHIFT, LENT_STEPS, NAMED, PEER, RECORD_SHIFT, REGISTER_BITS,
    REGISTER_HANDLE, REGISTER_TIMEOUT, RESULT, RIGHTS_SHIFT, SEQUENCE, SERVING, STATE, STEPS,
    TARGET, TASKS_END, TOKEN_SHIFT, TOKEN_TASK,
)  # fmt: skip
from kernel.limits import LEASE_BYTES_MAX
from kernel.message import BadMessage
import micropython


@micropython.viper
def attach(w: ptr32, buffer, task: int) -> int:
    """Note what goes along with the call of `task`; return GRANTS if that is a capability."""
    extra = w[task + REGISTER_HANDLE]
    w[task + REGISTER_HANDLE] = extra & ACCEPTING
    if extra & GRANTING:
        w[task + LENT] = int(grantable(w, task, extra)) << LENT_SHIFT
        return GRANTS
    if int(window(buffer, extra & WRITABLE)) < 0:
        raise BadMessage("lend a bytearray, memoryview or array, or bytes to be read only")
    rights = extra & (READABLE | WRITABLE)
    w[task + LENT] = (w[task + STEPS] & LENT_STEPS) << LENT_SHIFT | rights
    return 0


@micropython.viper
def grantable(w: ptr32, task: int, handle: int) -> int:
    """Return the capability behind a handle that its task may grant."""
    capability = int(lookup(w, task, handle, MAY_GRANT))
    if (w[capability + TARGET] >> RIGHTS_SHIFT) & (MAY_CALL | MAY_SEND | MAY_NOTIFY) == 0:
        raise NoRight
    return capability


@micropython.viper
def hand_over(w: ptr32, task: int, receiver: int) -> int:
    """Copy the capability that `task` grants into the table of `receiver`.

    Return its handle, or 0 if the table is full or the receiver accepts none.
    """
    if w[receiver + REGISTER_HANDLE] & ACCEPTING == 0:
        return 0
    capability = w[task + LENT] >> LENT_SHIFT
    rights = (w[capability + TARGET] >> RIGHTS_SHIFT) & (MAY_CALL | MAY_SEND | MAY_NOTIFY)
    badge = w[capability + NAMED] >> BADGE_SHIFT
    handle = int(derive(w, receiver, capability, rights, badge))
    if handle:
        w[receiver + REGISTER_HANDLE] = handle
    return handle


@micropython.viper
def is_served(w: ptr32, client: int, server: int, token: int) -> int:
    """Return 1 if the call that `token` names still waits for a reply of `server`, else 0."""
    if w[client + STATE] != SERVED or w[client + PEER] != server:
        return 0
    return 1 if w[client + SEQUENCE] == token >> TOKEN_SHIFT else 0


@micropython.viper
def grant_with_reply(w: ptr32, task: int, token: int) -> int:
    """Hand over what a reply grants; return 0 if the caller waits and cannot take it."""
    extra = w[task + REGISTER_HANDLE]
    w[task + REGISTER_HANDLE] = extra & ACCEPTING
    if extra & GRANTING == 0:
        raise NoRight
    w[task + LENT] = int(grantable(w, task, extra)) << LENT_SHIFT
    client = (token & TOKEN_TASK) << RECORD_SHIFT
    if client >= w[TASKS_END] or int(is_served(w, client, task, token)) == 0:
        return 1
    return int(hand_over(w, task, client))


@micropython.native
def window(buffer, is_written):
    """Return the bytes of what may be lent, or copied to or from; -1 for anything else.

    An array of items longer than a byte counts with one byte an item.
    """
    kind = type(buffer)
    if kind is bytearray:
        return len(buffer)
    if kind is bytes:
        return -1 if is_written else len(buffer)
    if kind is not memoryview and kind.__name__ != "array":
        return -1
    if is_written:
        try:
            pack_into("", buffer, 0)
        except (TypeError, ValueError):
            return -1
    return len(buffer)


class Leases:
    """Handler of the traps that use a lease."""

    def __init__(self, port):
        self.copy = port.copy

    @micropython.viper
    def use(self, w: ptr32, frames, task: int, trap: int) -> int:
        """Copy between a caller's window and the server's own buffer: OK, DEAD after the call.

        As many bytes as both have from the offset on; how many is left in the register.
        """
        token = w[task + SERVING]
        if trap & TIMED:
            token = w[task + REGISTER_TIMEOUT]
        client = (token & TOKEN_TASK) << RECORD_SHIFT
        offset = w[task + REGISTER_BITS]
        reads = 1 if trap >> TRAP_SHIFT & 31 == LEASE_READ >> TRAP_SHIFT else 0
        own = frames[task >> RECORD_SHIFT].buffer
        count = int(window(own, reads))
        if client >= w[TASKS_END] or count < 0:
            raise BadMessage("a lease needs a buffer, and a token that recv gave")
        w[task + REGISTER_BITS] = 0
        w[task + RESULT] = DEAD
        if token == 0 or int(is_served(w, client, task, token)) == 0:
            return task
        w[task + RESULT] = OK
        lent = w[client + LENT]
        right = READABLE if reads else WRITABLE
        if offset < 0 or lent & right == 0 or lent >> LENT_SHIFT != w[client + STEPS] & LENT_STEPS:
            return task
        theirs = frames[client >> RECORD_SHIFT].buffer
        left = int(window(theirs, 1 - reads)) - offset
        if left < count:
            count = left
        if count > LEASE_BYTES_MAX:
            count = LEASE_BYTES_MAX
        if count <= 0:
            return task
        if reads:
            self.copy(own, 0, theirs, offset, count)
        else:
            self.copy(theirs, offset, own, 0, count)
        w[task + REGISTER_BITS] = count
        return task
