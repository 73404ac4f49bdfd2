"""The short ways: what nearly every step ends with, done in the dispatcher itself.

A call to a server that waits, its reply, a send to a mailbox with room, a receive that finds a
message or waits, a copy through a lease: `dispatch` tries these before it calls a trap's handler
in `ipc`, `mailbox` or `carried`, which do the same for every other case. Each returns the task to
run next, 0 for "look in the ready queues", or LONG_WAY, having changed nothing.

A handler is 6 us away, so where modules are compiled for an image these functions are pasted into
`dispatch` (`system/fold.py` of the host tools). They use its variables, under the same names, and
have one `return`, at the end.

What they share, besides the words: `me` is the record of `task`; `base` the address of the words;
`key` and `place` say where MicroPython keeps a frame's `arg` (see `window`), and `items` where the
mailboxes' values are; all four are 0 where nobody can tell, and then no short way is taken.
"""

from kernel.abi import *
from kernel.carried import copy_words
from kernel.layout import *
from kernel.limits import CALL_TIMEOUT_US, LEASE_BYTES_MAX, TIME_HALF, TIME_MASK
from kernel.mailbox import admit_sender
from kernel.priority import restore
from kernel.ready import push_back
from kernel.window import ARG, DATA, IMMEDIATE, KIND, LENGTH, NAME, NOTHING, TABLE
import micropython
from micropython import const

LONG_WAY = const(-1)
# The bit that tells LEASE_READ from LEASE_WRITE.
_READS = const(1 << 8)


@micropython.viper
def quick_call(
    w: ptr32, me: ptr32, task: int, trap: int, base: int, place: int, key: int, now: int
) -> int:
    """Give the message to a server that waits, lend it the priority, and switch to it."""
    following = LONG_WAY
    slot = trap >> HANDLE_SHIFT & SLOT_MASK
    if slot < me[CAPABILITY_COUNT]:
        capability = ptr32(base + (me[CAPABILITIES] + slot * CAPABILITY << 2))
        target = capability[TARGET]
        named = capability[NAMED]
        server = target & OFFSET_MASK
        peer = ptr32(base + (server << 2))
        if (
            (target >> RIGHTS_SHIFT) & MAY_CALL
            and target >> SLOT_SHIFT == trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
            and peer[STATE] == RECEIVING
            and named & GENERATION_MASK == peer[GENERATION]
            and trap & 0xFF < OPERATIONS
        ):
            source = ptr32(ptr32(me[FRAME])[TABLE] + place)
            sink = ptr32(ptr32(peer[FRAME])[TABLE] + place)
            if source[NAME] == key and sink[NAME] == key and source[ARG] & IMMEDIATE:
                sink[ARG] = source[ARG]
                capability[USES] += 1
                deadline = (now + CALL_TIMEOUT_US) & TIME_MASK
                me[DEADLINE] = deadline
                me[TIMED_WAIT] = 1
                me[FAR_MS] = 0
                if w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:
                    w[NEXT_DEADLINE] = deadline
                    w[DEADLINES] = 1
                me[OPERATION] = trap
                me[PEER] = server
                me[STATE] = SERVED
                peer[CLIENTS] += 1
                if me[PRIORITY] < peer[PRIORITY]:
                    peer[PRIORITY] = me[PRIORITY]
                token = me[SEQUENCE] << TOKEN_SHIFT | task >> RECORD_SHIFT
                peer[TIMED_WAIT] = 0
                peer[RESULT] = trap & 0xFF
                peer[SERVING] = token
                peer[REGISTER_CALLER] = token
                peer[REGISTER_BADGE] = named >> BADGE_SHIFT
                following = server
    return following


@micropython.viper
def quick_reply_recv(
    w: ptr32, me: ptr32, task: int, trap: int, base: int, place: int, key: int
) -> int:
    """Give the reply to the caller, take the priority back, wait, and switch to the caller."""
    following = LONG_WAY
    token = me[SERVING]
    client = (token & TOKEN_TASK) << RECORD_SHIFT
    peer = ptr32(base + (client << 2))
    if (
        peer[STATE] == SERVED
        and peer[PEER] == task
        and peer[SEQUENCE] == token >> TOKEN_SHIFT
        and trap & 0xFF < OPERATIONS
        and me[SENDERS] | me[PENDING] | me[MAIL_COUNT] == 0
    ):
        source = ptr32(ptr32(me[FRAME])[TABLE] + place)
        sink = ptr32(ptr32(peer[FRAME])[TABLE] + place)
        if source[NAME] == key and sink[NAME] == key and source[ARG] & IMMEDIATE:
            sink[ARG] = source[ARG]
            me[SERVING] = 0
            me[CLIENTS] -= 1
            me[STATE] = RECEIVING
            peer[PEER] = 0
            if me[PRIORITY] != me[BASE]:
                restore(w, task)
            peer[RESULT] = trap & 0xFF
            peer[TIMED_WAIT] = 0
            peer[SEQUENCE] = (peer[SEQUENCE] + 1) & SEQUENCE_MASK
            following = client
    return following


@micropython.viper
def quick_send(
    w: ptr32,
    me: ptr32,
    task: int,
    trap: int,
    base: int,
    place: int,
    key: int,
    items: int,
    now: int,
) -> int:
    """Give the message to a receiver that waits, or the mailbox, or wait for a place in it."""
    following = LONG_WAY
    slot = trap >> HANDLE_SHIFT & SLOT_MASK
    if slot < me[CAPABILITY_COUNT]:
        capability = ptr32(base + (me[CAPABILITIES] + slot * CAPABILITY << 2))
        target = capability[TARGET]
        named = capability[NAMED]
        server = target & OFFSET_MASK
        peer = ptr32(base + (server << 2))
        if (
            (target >> RIGHTS_SHIFT) & MAY_SEND
            and target >> SLOT_SHIFT == trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
            and peer[MAILBOX]
            and named & GENERATION_MASK == peer[GENERATION]
            and trap & 0xFF < OPERATIONS
        ):
            source = ptr32(ptr32(me[FRAME])[TABLE] + place)
            if source[NAME] == key and source[ARG] & IMMEDIATE:
                box = ptr32(base + (peer[MAILBOX] << 2))
                held = peer[MAIL_COUNT]
                if peer[STATE] == RECEIVING:
                    sink = ptr32(ptr32(peer[FRAME])[TABLE] + place)
                    if sink[NAME] == key:
                        sink[ARG] = source[ARG]
                        peer[TIMED_WAIT] = 0
                        peer[RESULT] = trap & 0xFF
                        peer[REGISTER_CALLER] = 0
                        peer[REGISTER_BADGE] = named >> BADGE_SHIFT
                        push_back(w, server)
                        following = task
                elif held < box[MAIL_DEPTH]:
                    at = box[MAIL_FIRST] + held
                    if at >= box[MAIL_DEPTH]:
                        at -= box[MAIL_DEPTH]
                    peer[MAIL_COUNT] = held + 1
                    ptr32(items + (box[MAIL_VALUES] + at << 2))[0] = source[ARG]
                    box = ptr32(base + (peer[MAILBOX] + MAIL_SLOTS + at * MAIL << 2))
                    box[MAIL_OPERATION] = trap & 0xFF
                    box[MAIL_BADGE] = named >> BADGE_SHIFT
                    following = task
                elif box[MAIL_POLICY] == BLOCK and me[PRIORITY] >= peer[PRIORITY]:
                    deadline = (now + CALL_TIMEOUT_US) & TIME_MASK
                    me[DEADLINE] = deadline
                    me[TIMED_WAIT] = 1
                    me[FAR_MS] = 0
                    if w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:
                        w[NEXT_DEADLINE] = deadline
                        w[DEADLINES] = 1
                    me[OPERATION] = trap & 0xFF
                    me[BADGE] = named >> BADGE_SHIFT
                    me[PEER] = server
                    me[STATE] = SENDING
                    peer[CLIENTS] += 1
                    following = 0
                if following != LONG_WAY:
                    capability[USES] += 1
                    me[RESULT] = OK
    return following


@micropython.viper
def quick_recv(
    w: ptr32, me: ptr32, task: int, base: int, place: int, key: int, items: int, frames
) -> int:
    """Take the oldest message of the mailbox, or wait."""
    following = LONG_WAY
    if me[SENDERS] | me[PENDING] == 0:
        me[SERVING] = 0
        held = me[MAIL_COUNT]
        sink = ptr32(ptr32(me[FRAME])[TABLE] + place)
        if held == 0:
            me[STATE] = RECEIVING
            following = 0
        elif sink[NAME] == key:
            box = ptr32(base + (me[MAILBOX] << 2))
            at = box[MAIL_FIRST]
            source = ptr32(items + (box[MAIL_VALUES] + at << 2))
            sink[ARG] = source[0]
            source[0] = NOTHING
            me[MAIL_COUNT] = held - 1
            box[MAIL_FIRST] = at + 1 if at + 1 < box[MAIL_DEPTH] else 0
            box = ptr32(base + (me[MAILBOX] + MAIL_SLOTS + at * MAIL << 2))
            me[RESULT] = box[MAIL_OPERATION]
            me[REGISTER_CALLER] = 0
            me[REGISTER_BADGE] = box[MAIL_BADGE]
            if me[CLIENTS]:
                admit_sender(w, frames, task)
            following = task
    return following


@micropython.viper
def quick_lease(w: ptr32, me: ptr32, task: int, trap: int, base: int) -> int:
    """Copy between the window of the caller received last and a buffer of the server's."""
    following = LONG_WAY
    token = me[SERVING]
    peer = ptr32(base + ((token & TOKEN_TASK) << RECORD_SHIFT + 2))
    if (
        peer[STATE] == SERVED
        and peer[PEER] == task
        and peer[SEQUENCE] == token >> TOKEN_SHIFT
        and peer[OPERATION] & (READABLE if trap & _READS else WRITABLE)
    ):
        known = ptr32(base + (w[PARTICULARS] << 2))
        at = known[BUFFER_PLACE]
        source = ptr32(ptr32(me[FRAME])[TABLE] + at)
        sink = ptr32(ptr32(peer[FRAME])[TABLE] + at)
        at = known[BUFFER_KEY]
        if source[NAME] == at and sink[NAME] == at and (source[ARG] | sink[ARG]) & IMMEDIATE == 0:
            own = ptr32(source[ARG])
            box = ptr32(sink[ARG])
            held = box[LENGTH] - (trap >> HANDLE_SHIFT & LEASE_OFFSET_MASK)
            if held > own[LENGTH]:
                held = own[LENGTH]
            at = box[DATA] + (trap >> HANDLE_SHIFT & LEASE_OFFSET_MASK)
            if trap & _READS:
                source = box
                sink = own
            else:
                source = own
                sink = box
            if (
                sink[KIND] == known[BYTEARRAY]
                and (source[KIND] == known[BYTEARRAY] or source[KIND] == known[BYTES])
                and (at | own[DATA]) & 3 == 0
                and held <= LEASE_BYTES_MAX
            ):
                if trap & _READS:
                    copy_words(ptr32(own[DATA]), ptr32(at), own[DATA] + held)
                else:
                    copy_words(ptr32(at), ptr32(own[DATA]), at + held)
                me[REGISTER_BITS] = held if held > 0 else 0
                me[RESULT] = OK
                following = task
    return following
