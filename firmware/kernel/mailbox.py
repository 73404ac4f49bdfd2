"""Mailboxes: bounded queues for messages that want no reply.

When a mailbox is full the sender blocks until its deadline, fails, or pushes out the oldest
message, as the receiver's manifest says. A message to a receiver that waits goes straight in.
"""

from kernel.abi import *
from kernel.capabilities import NoRight, is_alive, lookup
from kernel.layout import *
from kernel.limits import CALL_TIMEOUT_US
from kernel.message import BadMessage, admit
from kernel.priority import queue_sender, raise_to
from kernel.timeouts import arm, arm_ms, end_wait
import micropython


def send(w, frames, task, trap):
    """Put a message into the receiver's mailbox; OK, FULL or DEAD."""
    capability = lookup(w, task, trap, MAY_SEND)
    operation = trap & 0xFF
    server = w[capability + TARGET] & OFFSET_MASK
    mailbox = w[server + MAILBOX]
    if operation >= OPERATIONS:
        raise BadMessage("send: the operation has to be below 192")
    if mailbox == 0:
        raise NoRight("send: the receiver has no mailbox")
    if not is_alive(w, capability):
        w[task + RESULT] = DEAD
        return task
    w[task + RESULT] = OK
    w[task + OPERATION] = operation
    w[task + BADGE] = badge = w[capability + NAMED] >> BADGE_SHIFT
    frame = frames[task >> RECORD_SHIFT]
    frame.arg = admit(frame.arg)
    if w[server + STATE] == RECEIVING:
        give(w, frames, server, operation, badge, frame.arg)
        end_wait(w, server, operation)
        return task
    if w[server + MAIL_COUNT] == w[mailbox + MAIL_DEPTH]:
        policy = w[mailbox + MAIL_POLICY]
        if policy == BLOCK:
            return wait_for(w, server, task, trap, SENDING)
        w[w[PARTICULARS] + (server >> PARTICULAR_SHIFT) + DROPPED] += 1
        if policy != DROP_OLDEST:
            w[task + RESULT] = FULL
            return task
        advance(w, frames, server)
    put(w, frames, server, task)
    return task


def wait_for(w, server, task, trap, state):
    """Let `task` wait for `server` until its deadline, lending its priority; return 0."""
    w[task + STATE] = state
    w[task + PEER] = server
    w[server + CLIENTS] += 1
    if trap & TIMED:
        arm_ms(w, task)
    else:
        arm(w, task, CALL_TIMEOUT_US)
    if state == CALLING:
        queue_sender(w, server, task)
    raise_to(w, server, w[task + PRIORITY])
    return 0


def give(w, frames, server, operation, badge, value):
    """Make a message that wants no reply the result of the recv of `server`."""
    frames[server >> RECORD_SHIFT].arg = value
    w[server + RESULT] = operation
    w[server + REGISTER_CALLER] = 0
    w[server + REGISTER_BADGE] = badge


@micropython.viper
def put(w: ptr32, frames, server: int, task: int):
    """Append the message of `task`, which is in its record, to the mailbox of `server`."""
    mailbox = w[server + MAILBOX]
    place = w[mailbox + MAIL_FIRST] + w[server + MAIL_COUNT]
    if place >= w[mailbox + MAIL_DEPTH]:
        place -= w[mailbox + MAIL_DEPTH]
    slot = mailbox + MAIL_SLOTS + place * MAIL
    w[slot + MAIL_OPERATION] = w[task + OPERATION]
    w[slot + MAIL_BADGE] = w[task + BADGE]
    frames[0][w[mailbox + MAIL_VALUES] + place] = frames[task >> RECORD_SHIFT].arg
    w[server + MAIL_COUNT] += 1


def advance(w, frames, server):
    """Drop the oldest message from the mailbox of `server`."""
    mailbox = w[server + MAILBOX]
    first = w[mailbox + MAIL_FIRST]
    frames[0][w[mailbox + MAIL_VALUES] + first] = None
    w[mailbox + MAIL_FIRST] = (first + 1) % w[mailbox + MAIL_DEPTH]
    w[server + MAIL_COUNT] -= 1


def take_mail(w, frames, server):
    """Give the oldest message to `server`, and its place to the most important blocked sender."""
    mailbox = w[server + MAILBOX]
    first = w[mailbox + MAIL_FIRST]
    slot = mailbox + MAIL_SLOTS + first * MAIL
    value = frames[0][w[mailbox + MAIL_VALUES] + first]
    give(w, frames, server, w[slot + MAIL_OPERATION], w[slot + MAIL_BADGE], value)
    advance(w, frames, server)
    if w[server + CLIENTS]:
        admit_sender(w, frames, server)


@micropython.viper
def admit_sender(w: ptr32, frames, server: int):
    """Put the message of the most important blocked sender, if any, into the free place."""
    best = 0
    task = RECORD
    end = w[TASKS_END]
    while task < end:
        if w[task + STATE] == SENDING and w[task + PEER] == server:
            if best == 0 or w[task + PRIORITY] < w[best + PRIORITY]:
                best = task
        task += RECORD
    if best:
        put(w, frames, server, best)
        end_wait(w, best, OK)
