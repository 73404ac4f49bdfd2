"""Mailboxes: bounded queues for messages that want no reply.

When a mailbox is full the sender blocks until its deadline, fails, or pushes out the oldest
message, as the receiver's manifest says. A message to a receiver that waits goes straight in.

What `send` shares with the dispatcher, and where it is in an image, says `ipc`.
"""

from kernel.abi import *
from kernel.capabilities import NoRight, find, lookup
from kernel.layout import *
from kernel.message import BadMessage, admit_arg, arg_at, carry, fetch, store
from kernel.priority import raise_to
from kernel.ready import push_back
from kernel.timeouts import end_wait, wait_for
from kernel.window import ARG, IMMEDIATE, NOTHING
import micropython


@micropython.viper
def send(
    w: ptr32,
    me: ptr32,
    task: int,
    trap: int,
    base: int,
    place: int,
    key: int,
    items: int,
    words,
    frames,
) -> int:
    """Put a message into the receiver's mailbox; OK, FULL or DEAD."""
    found = find(w, task, trap, MAY_SEND)
    server = w[found + TARGET] & OFFSET_MASK
    peer = ptr32(base + (server << 2))
    if found == 0 or trap & 0xFF >= OPERATIONS or peer[MAILBOX] == 0:
        refuse_send(words, task, trap)
    named = w[found + NAMED]
    following = task
    me[RESULT] = OK
    if named & GENERATION_MASK != peer[GENERATION]:
        me[RESULT] = DEAD
    else:
        source = arg_at(me, place, key)
        if source == 0 or ptr32(source)[ARG] & IMMEDIATE == 0:
            admit_arg(frames, task)
        me[OPERATION] = trap & 0xFF
        me[BADGE] = named >> BADGE_SHIFT
        if peer[STATE] == RECEIVING:
            sink = arg_at(peer, place, key)
            carry(source, sink, frames, task, server)
            peer[TIMED_WAIT] = 0
            peer[RESULT] = trap & 0xFF
            peer[REGISTER_CALLER] = 0
            peer[REGISTER_BADGE] = named >> BADGE_SHIFT
            push_back(w, server)
        else:
            box = ptr32(base + (peer[MAILBOX] << 2))
            if peer[MAIL_COUNT] == box[MAIL_DEPTH]:
                if box[MAIL_POLICY] == BLOCK:
                    wait_for(w, me, peer, task, server, trap)
                    me[STATE] = SENDING
                    raise_to(w, server, me[PRIORITY])
                    following = 0
                else:
                    w[w[PARTICULARS] + (server >> PARTICULAR_SHIFT) + DROPPED] += 1
                    if box[MAIL_POLICY] == DROP_OLDEST:
                        advance(peer, box)
                    else:
                        me[RESULT] = FULL
            if following and me[RESULT] == OK:
                put(me, peer, task, base, place, key, items, frames)
    return following


def refuse_send(w, task, trap):
    """Raise what is wrong with the handle, or with the operation, of a `send`."""
    lookup(w, task, trap, MAY_SEND)
    if trap & 0xFF >= OPERATIONS:
        raise BadMessage("send: the operation has to be below 192")
    raise NoRight("send: the receiver has no mailbox")


@micropython.viper
def put(
    giver: ptr32, taker: ptr32, sender: int, base: int, place: int, key: int, items: int, frames
):
    """Append the message of `sender`, whose record `giver` has it, to the mailbox of `taker`."""
    header = ptr32(base + (taker[MAILBOX] << 2))
    at = header[MAIL_FIRST] + taker[MAIL_COUNT]
    if at >= header[MAIL_DEPTH]:
        at -= header[MAIL_DEPTH]
    taker[MAIL_COUNT] += 1
    sent = arg_at(giver, place, key)
    if sent and items:
        ptr32(items + (header[MAIL_VALUES] + at << 2))[0] = ptr32(sent)[ARG]
    else:
        store(frames, sender, header[MAIL_VALUES] + at)
    mail = ptr32(base + (taker[MAILBOX] + MAIL_SLOTS + at * MAIL << 2))
    mail[MAIL_OPERATION] = giver[OPERATION]
    mail[MAIL_BADGE] = giver[BADGE]


@micropython.viper
def advance(taker: ptr32, header: ptr32):
    """Take the oldest message out of a mailbox; its value is in its place until another comes."""
    first = header[MAIL_FIRST] + 1
    header[MAIL_FIRST] = first if first < header[MAIL_DEPTH] else 0
    taker[MAIL_COUNT] -= 1


@micropython.viper
def take_mail(
    w: ptr32, taker: ptr32, server: int, base: int, place: int, key: int, items: int, frames
):
    """Give the oldest message to `server`, and its place to the most important blocked sender."""
    header = ptr32(base + (taker[MAILBOX] << 2))
    at = header[MAIL_FIRST]
    mail = ptr32(base + (taker[MAILBOX] + MAIL_SLOTS + at * MAIL << 2))
    taker[RESULT] = mail[MAIL_OPERATION]
    taker[REGISTER_CALLER] = 0
    taker[REGISTER_BADGE] = mail[MAIL_BADGE]
    got = arg_at(taker, place, key)
    if got and items:
        mail = ptr32(items + (header[MAIL_VALUES] + at << 2))
        ptr32(got)[ARG] = mail[0]
        mail[0] = NOTHING
    else:
        fetch(frames, server, header[MAIL_VALUES] + at)
    advance(taker, header)
    if taker[CLIENTS]:
        admit_sender(w, server, base, place, key, items, frames)


@micropython.viper
def admit_sender(w: ptr32, server: int, base: int, place: int, key: int, items: int, frames):
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
        giver = ptr32(base + (best << 2))
        taker = ptr32(base + (server << 2))
        put(giver, taker, best, base, place, key, items, frames)
        end_wait(w, best, OK)
