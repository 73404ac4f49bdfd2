"""What a message carries besides its value: a capability it grants, or memory it lends.

A grant copies a capability of the sender into the receiver's table at the moment the message is
received, so one that is not received gives nothing away. The receiver has to accept: a table that
others could fill at will would be theirs. What it gets has all rights but that to grant, so who
may ever hand on what is in the manifests; it is derived from the sender's, and dies with that.

A lease is a window on the caller's `Frame.buffer` that lasts as long as its call does. The server
never holds the buffer: the kernel copies between it and the server's own. What was not lent, or
cannot be, or lies outside, is a window of no bytes, so no caller can fault its server.
"""

import struct
from array import array

from kernel.abi import *
from kernel.capabilities import NoRight, derive, lookup
from kernel.layout import *
from kernel.limits import LEASE_BYTES_MAX
from kernel.message import BadMessage
from kernel.window import ARG, DATA, IMMEDIATE, KIND, LENGTH, NAME, TABLE
from port.memory import copy_words
import micropython
from micropython import const

# The bit that tells LEASE_READ from LEASE_WRITE.
_READS = const(1 << 8)


def grant(w, task, receiver):
    """Note the capability that a call or reply of `task` grants, and hand it to `receiver`.

    With 0 for that it is handed over when the message is received. Return 0 if `receiver` cannot
    take it.
    """
    extra = w[task + REGISTER_HANDLE]
    w[task + REGISTER_HANDLE] = extra & ACCEPTING
    if extra & GRANTING == 0:
        raise NoRight("nothing was named to be granted")
    capability = lookup(w, task, extra, MAY_GRANT)
    if (w[capability + TARGET] >> RIGHTS_SHIFT) & (MAY_CALL | MAY_SEND | MAY_NOTIFY) == 0:
        raise NoRight("only a right to call, send or notify can be granted")
    w[task + GRANTED] = capability
    return hand_over(w, task, receiver) if receiver else 1


@micropython.viper
def hand_over(w: ptr32, task: int, receiver: int) -> int:
    """Copy the capability that `task` grants into the table of `receiver`.

    Return its handle, or 0 if the table is full or the receiver accepts none.
    """
    if w[receiver + REGISTER_HANDLE] & ACCEPTING == 0:
        return 0
    capability = w[task + GRANTED]
    rights = (w[capability + TARGET] >> RIGHTS_SHIFT) & (MAY_CALL | MAY_SEND | MAY_NOTIFY)
    badge = w[capability + NAMED] >> BADGE_SHIFT
    handle = int(derive(w, receiver, capability, rights, badge))
    if handle:
        w[receiver + REGISTER_HANDLE] = handle
    return handle


@micropython.viper
def caller_of(w: ptr32, server: int, token: int) -> int:
    """Return the task whose call `token` names if it waits for a reply of `server`, else 0.

    A caller that timed out, died or was answered already is no mistake of the server's. A token
    that names no task at all was forged, and faults the server.
    """
    caller = (token & TOKEN_TASK) << RECORD_SHIFT
    if caller >= w[TASKS_END]:
        refuse_token()
    called = ptr32(int(uint(w)) + (caller << 2))
    if called[STATE] != SERVED or called[PEER] != server:
        caller = 0
    elif called[SEQUENCE] != token >> TOKEN_SHIFT:
        caller = 0
    return caller


def refuse_token():
    """Raise what is wrong with a token."""
    raise BadMessage("a reply or a lease needs a token that recv gave")


@micropython.viper
def lease(w: ptr32, me: ptr32, task: int, trap: int, base: int, kernel) -> int:
    """Copy between a caller's window and the server's own buffer: OK, DEAD after the call.

    As many bytes as both have from the offset on; how many is left in the register. What it shares
    with the dispatcher, and where it is in an image, says `ipc`.
    """
    token = me[SERVING]
    if trap & TIMED:
        token = me[REGISTER_TIMEOUT]
    client = caller_of(w, task, token)
    offset = trap >> HANDLE_SHIFT & LEASE_OFFSET_MASK
    if trap & EXTRA:
        offset = me[REGISTER_BITS]
    me[REGISTER_BITS] = 0
    me[RESULT] = OK if client else DEAD
    peer = ptr32(base + (client << 2))
    if client and peer[OPERATION] & (READABLE if trap & _READS else WRITABLE) and offset >= 0:
        reads = trap & _READS
        done = copy_known(w, me, peer, reads, offset)
        if done < 0:
            copy_objects(kernel, task, client, reads, offset)
        else:
            me[REGISTER_BITS] = done
    return task


@micropython.viper
def copy_known(w: ptr32, me: ptr32, peer: ptr32, reads: int, offset: int) -> int:
    """Copy between two buffers that are bytearrays or bytes and lie alike in their words.

    Return how many bytes, -1 for any others, where nobody can tell, and for too many.
    """
    copied = -1
    known = ptr32(int(uint(w)) + (w[PARTICULARS] << 2))
    if known[BUFFER_KEY]:
        own = ptr32(ptr32(me[FRAME])[TABLE] + known[BUFFER_PLACE])
        lent = ptr32(ptr32(peer[FRAME])[TABLE] + known[BUFFER_PLACE])
        name = known[BUFFER_KEY]
        if own[NAME] == name and lent[NAME] == name and (own[ARG] | lent[ARG]) & IMMEDIATE == 0:
            own = ptr32(own[ARG])
            lent = ptr32(lent[ARG])
            from_there = lent[DATA] + offset
            count = lent[LENGTH] - offset
            if count > own[LENGTH]:
                count = own[LENGTH]
            if count < 0:
                count = 0
            read = own
            written = lent
            if reads:
                read = lent
                written = own
            if (
                written[KIND] == known[BYTEARRAY]
                and (read[KIND] == known[BYTEARRAY] or read[KIND] == known[BYTES])
                and (from_there | own[DATA]) & 3 == 0
                and count <= LEASE_BYTES_MAX
            ):
                if reads:
                    copy_words(ptr32(own[DATA]), ptr32(from_there), own[DATA] + count)
                else:
                    copy_words(ptr32(from_there), ptr32(own[DATA]), from_there + count)
                copied = count
    return copied


def copy_objects(kernel, task, client, reads, offset):
    """Copy between any two buffers that may be lent, by the port's function."""
    port = kernel.port
    own = kernel.frames[task >> RECORD_SHIFT].buffer
    lent = kernel.frames[client >> RECORD_SHIFT].buffer
    count = shared_bytes(own, lent, offset, reads, port.length)
    kernel.words[task + REGISTER_BITS] = count
    if count and reads:
        port.copy(own, 0, lent, offset, count)
    elif count:
        port.copy(lent, offset, own, 0, count)


def window_bytes(buffer, is_written, length):
    """Return the bytes of what may be lent, or copied to or from; -1 for anything else.

    Exact types only, whose length nobody can make up; `length` is the port's.
    """
    kind = type(buffer)
    if kind is bytearray:
        return len(buffer)
    if kind is bytes:
        return -1 if is_written else len(buffer)
    if kind is not memoryview and kind is not array:
        return -1
    if is_written:
        try:
            struct.pack_into("", buffer, 0)
        except (TypeError, ValueError):
            return -1
    return length(buffer)


def shared_bytes(own, lent, offset, reads, length):
    """Return how many bytes there are to copy between a server's buffer and what it was lent."""
    count = window_bytes(own, reads, length)
    if count < 0:
        raise BadMessage("a lease is copied to or from a bytearray, memoryview, array or bytes")
    return max(0, min(count, window_bytes(lent, not reads, length) - offset, LEASE_BYTES_MAX))
