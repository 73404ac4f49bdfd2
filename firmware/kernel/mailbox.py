"""Mailboxes: bounded queues for messages that want no reply.

When a mailbox is full the sender blocks until its deadline, fails, or pushes out the oldest
message, as the receiver's manifest says. A message to a receiver that waits goes straight in.
"""

from kernel.abi import (
    BLOCK, DEAD, DROP_OLDEST, FULL, MAY_SEND, OK, OPERATIONS, RECEIVING, SENDING, TIMED,
)  # fmt: skip
from kernel.capabilities import NoRight, is_alive, lookup
from kernel.layout import (
    BADGE, BADGE_SHIFT, BASE, CLIENTS, DROPPED, MAIL, MAILBOX, MAIL_BADGE, MAIL_COUNT, MAIL_DEPTH,
    MAIL_FIRST, MAIL_OPERATION, MAIL_POLICY, MAIL_SLOTS, MAIL_VALUES, NAMED, OFFSET_MASK,
    OPERATION, PARTICULARS, PARTICULAR_SHIFT, PEER, PRIORITY, RECORD, RECORD_SHIFT, REGISTER_BADGE,
    REGISTER_CALLER, REGISTER_HANDLE, RESULT, STATE, TARGET, TASKS_END, TIMED_WAIT,
)  # fmt: skip
from kernel.limits import CALL_TIMEOUT_US
from kernel.message import admit
from kernel.priority import raise_to, restore
from kernel.ready import push_back
from kernel.timeouts import arm, arm_ms
import micropython


@micropython.viper
def send(w: ptr32, frames, task: int, trap: int) -> int:
    """Put a message into the receiver's mailbox; OK, FULL or DEAD."""
    capability = int(lookup(w, task, trap, MAY_SEND))
    operation = trap & 0xFF
    server = w[capability + TARGET] & OFFSET_MASK
    mailbox = w[server + MAILBOX]
    if operation >= OPERATIONS or mailbox == 0:
        raise NoRight
    w[task + RESULT] = OK
    if int(is_alive(w, capability)) == 0:
        w[task + RESULT] = DEAD
        return task
    badge = w[capability + NAMED] >> BADGE_SHIFT
    value = admit(frames[task >> RECORD_SHIFT].arg)
    if w[server + STATE] == RECEIVING:
        w[server + TIMED_WAIT] = 0
        give(w, frames, server, operation, badge, value)
        push_back(w, server)
        return task
    if w[server + MAIL_COUNT] == w[mailbox + MAIL_DEPTH]:
        policy = w[mailbox + MAIL_POLICY]
        if policy == BLOCK:
            frames[task >> RECORD_SHIFT].arg = value
            w[task + OPERATION] = operation
            w[task + BADGE] = badge
            return int(block_sender(w, server, task, trap))
        w[w[PARTICULARS] + (server >> PARTICULAR_SHIFT) + DROPPED] += 1
        if policy != DROP_OLDEST:
            w[task + RESULT] = FULL
            return task
        advance(w, server)
    put(w, frames, server, operation, badge, value)
    return task


@micropython.viper
def block_sender(w: ptr32, server: int, task: int, trap: int) -> int:
    """Let `task` wait for a place in the full mailbox, lending its priority meanwhile."""
    w[task + STATE] = SENDING
    w[task + PEER] = server
    w[server + CLIENTS] += 1
    if trap & TIMED:
        arm_ms(w, task)
    else:
        arm(w, task, CALL_TIMEOUT_US)
    raise_to(w, server, w[task + PRIORITY])
    return 0


@micropython.viper
def give(w: ptr32, frames, server: int, operation: int, badge: int, value):
    """Make a message that wants no reply the result of the recv of `server`."""
    frames[server >> RECORD_SHIFT].arg = value
    w[server + RESULT] = operation
    w[server + REGISTER_CALLER] = 0
    w[server + REGISTER_BADGE] = badge
    w[server + REGISTER_HANDLE] = 0


@micropython.viper
def put(w: ptr32, frames, server: int, operation: int, badge: int, value):
    """Append a message to the mailbox of `server`, which has a free place."""
    mailbox = w[server + MAILBOX]
    place = w[mailbox + MAIL_FIRST] + w[server + MAIL_COUNT]
    if place >= w[mailbox + MAIL_DEPTH]:
        place -= w[mailbox + MAIL_DEPTH]
    slot = mailbox + MAIL_SLOTS + place * MAIL
    w[slot + MAIL_OPERATION] = operation
    w[slot + MAIL_BADGE] = badge
    values = frames[0]
    values[w[mailbox + MAIL_VALUES] + place] = value
    w[server + MAIL_COUNT] += 1


@micropython.viper
def advance(w: ptr32, server: int):
    """Drop the oldest message from the mailbox of `server`."""
    mailbox = w[server + MAILBOX]
    first = w[mailbox + MAIL_FIRST] + 1
    if first == w[mailbox + MAIL_DEPTH]:
        first = 0
    w[mailbox + MAIL_FIRST] = first
    w[server + MAIL_COUNT] -= 1


@micropython.viper
def take_mail(w: ptr32, frames, server: int):
    """Give the oldest message to `server`, and its place to the most important blocked sender."""
    mailbox = w[server + MAILBOX]
    first = w[mailbox + MAIL_FIRST]
    slot = mailbox + MAIL_SLOTS + first * MAIL
    values = frames[0]
    index = w[mailbox + MAIL_VALUES] + first
    frames[server >> RECORD_SHIFT].arg = values[index]
    w[server + RESULT] = w[slot + MAIL_OPERATION]
    w[server + REGISTER_CALLER] = 0
    w[server + REGISTER_BADGE] = w[slot + MAIL_BADGE]
    w[server + REGISTER_HANDLE] = 0
    values[index] = None
    w[mailbox + MAIL_FIRST] = first + 1 if first + 1 < w[mailbox + MAIL_DEPTH] else 0
    w[server + MAIL_COUNT] -= 1
    if w[server + CLIENTS]:
        admit_sender(w, frames, server)


@micropython.viper
def admit_sender(w: ptr32, frames, server: int):
    """Put the message of the most important blocked sender into the free place."""
    best = 0
    task = RECORD
    end = w[TASKS_END]
    while task < end:
        if w[task + STATE] == SENDING and w[task + PEER] == server:
            if best == 0 or w[task + PRIORITY] < w[best + PRIORITY]:
                best = task
        task += RECORD
    if best == 0:
        return
    value = frames[best >> RECORD_SHIFT].arg
    put(w, frames, server, w[best + OPERATION], w[best + BADGE], value)
    w[best + TIMED_WAIT] = 0
    w[best + PEER] = 0
    w[best + RESULT] = OK
    w[server + CLIENTS] -= 1
    if w[server + PRIORITY] != w[server + BASE]:
        restore(w, server)
    push_back(w, best)
