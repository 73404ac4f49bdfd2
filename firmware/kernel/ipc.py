"""Messages: call, reply, receive.

The way of a call: `call` finds the server behind the handle and lends it the caller's priority. A
server that receives takes the message at once and runs next; at a busy one the caller queues.
`reply_recv` finds the caller by its token, gives it the status and the value, takes the priority
back, and takes what waits next. The caller runs next.

Each returns the task to run next, 0 for "look in the ready queues"; none switches by itself. All
but what raises is compiled, and an image has it in the dispatcher itself (`dispatch`). They share
its variables: `w` is the kernel's words and `base` their address, `words` the same as an object;
`me` is the record of `task`; `place`, `key` and `items` say where values are kept (`message`).

They raise only what the operands in the task's own frame cause (`BadMessage`, `NoRight`): that
task's fault. No word has changed by then.
"""

from kernel.abi import *
from kernel.capabilities import find, lookup
from kernel.carried import caller_of, grant, hand_over
from kernel.layout import *
from kernel.mailbox import take_mail
from kernel.message import BadMessage, admit_arg, arg_at, carry
from kernel.notifications import take_bits
from kernel.priority import queue_sender, raise_to
from kernel.ready import push_back
from kernel.timeouts import arm_ms, end_wait, let_go, wait_for
from kernel.window import ARG, IMMEDIATE
import micropython


@micropython.viper
def call(
    w: ptr32, me: ptr32, task: int, trap: int, base: int, place: int, key: int, words, frames
) -> int:
    """Send a message and wait for its reply, at most until the deadline."""
    found = find(w, task, trap, MAY_CALL)
    if found == 0 or trap & 0xFF >= OPERATIONS:
        refuse(words, task, trap, MAY_CALL)
    named = w[found + NAMED]
    server = w[found + TARGET] & OFFSET_MASK
    peer = ptr32(base + (server << 2))
    following = task
    if named & GENERATION_MASK != peer[GENERATION]:
        me[RESULT] = DEAD
    else:
        source = arg_at(me, place, key)
        if source == 0 or ptr32(source)[ARG] & IMMEDIATE == 0:
            admit_arg(frames, task)
        waits = peer[STATE] == RECEIVING
        if trap & EXTRA and int(grant(words, task, server if waits else 0)) == 0:
            me[RESULT] = FULL
        else:
            me[OPERATION] = trap
            me[BADGE] = named >> BADGE_SHIFT
            wait_for(w, me, peer, task, server, trap)
            if waits:  # it is in no queue, and waits for nobody
                if me[PRIORITY] < peer[PRIORITY]:
                    peer[PRIORITY] = me[PRIORITY]
                peer[TIMED_WAIT] = 0
                take(me, peer, task, server, source, place, key, frames)
                following = server
            else:
                me[STATE] = CALLING
                queue_sender(w, server, task)
                raise_to(w, server, me[PRIORITY])
                following = 0
    return following


def refuse(w, task, trap, right):
    """Raise what is wrong with the handle, or with the operation, of a message."""
    lookup(w, task, trap, right)
    raise BadMessage("the operation of a message has to be below 192")


@micropython.viper
def take(
    giver: ptr32, taker: ptr32, client: int, server: int, source: int, place: int, key: int, frames
):
    """Make the call of `client`, which is in no queue, the result of the recv of `server`."""
    giver[STATE] = SERVED
    taker[RESULT] = giver[OPERATION] & 0xFF
    taker[SERVING] = giver[SEQUENCE] << TOKEN_SHIFT | client >> RECORD_SHIFT
    taker[REGISTER_CALLER] = taker[SERVING]
    taker[REGISTER_BADGE] = giver[BADGE]
    sink = arg_at(taker, place, key)
    carry(source, sink, frames, client, server)


@micropython.viper
def receive(
    w: ptr32, me: ptr32, task: int, trap: int, base: int, place: int, key: int, items: int, frames
) -> int:
    """Take what waits, or wait: notifications, then callers by importance, then the mailbox."""
    here = task
    sender = 0
    me[SERVING] = 0
    if me[PENDING]:
        take_bits(w, task)
    else:
        if me[SENDERS]:
            sender = int(next_caller(w, task))
        if sender:
            giver = ptr32(base + (sender << 2))
            offered = arg_at(giver, place, key)
            take(giver, me, sender, task, offered, place, key, frames)
        elif me[MAIL_COUNT]:
            take_mail(w, me, task, base, place, key, items, frames)
        else:
            me[STATE] = RECEIVING
            w[w[STEPPED] + (task >> RECORD_SHIFT)] = WAITED
            here = 0
            if trap & TIMED:
                arm_ms(w, task)
    return here


@micropython.viper
def next_caller(w: ptr32, server: int) -> int:
    """Take the most important caller out of the queue of `server`, 0 without.

    One that grants what `server` cannot take now is told FULL.
    """
    caller = w[server + SENDERS]
    while caller:
        w[server + SENDERS] = w[caller + NEXT]
        if w[caller + OPERATION] & EXTRA == 0 or int(hand_over(w, caller, server)):
            return caller
        end_wait(w, caller, FULL)
        caller = w[server + SENDERS]
    return 0


@micropython.viper
def reply_recv(
    w: ptr32,
    me: ptr32,
    task: int,
    trap: int,
    kind: int,
    base: int,
    place: int,
    key: int,
    items: int,
    words,
    frames,
) -> int:
    """Answer the caller received last and wait for the next, or one of the two: `kind` is which.

    With TIMED a REPLY is for the caller whose token is in the register.
    """
    client = 0
    following = task
    if kind != RECV:
        token = me[SERVING]
        if kind == REPLY:
            me[RESULT] = OK
            if trap & TIMED:
                token = me[REGISTER_TIMEOUT]
        if token:
            client = caller_of(w, task, token)
            if trap & 0xFF >= OPERATIONS:
                refuse_status()
            source = arg_at(me, place, key)
            if client:
                if source == 0 or ptr32(source)[ARG] & IMMEDIATE == 0:
                    admit_arg(frames, task)
            if kind == REPLY and trap & EXTRA and int(grant(words, task, client)) == 0:
                me[RESULT] = FULL
                client = 0
            elif kind == REPLY and trap & TIMED == 0:
                me[SERVING] = 0
            if client:
                peer = ptr32(base + (client << 2))
                theirs = arg_at(peer, place, key)
                carry(source, theirs, frames, task, client)
                peer[RESULT] = trap & 0xFF
                let_go(w, peer, me, task)
    if kind != REPLY:
        following = receive(w, me, task, trap, base, place, key, items, frames)
    if client:
        if following == 0:
            following = client
        elif me[PRIORITY] < w[client + PRIORITY] + (1 if kind == REPLY else 0):
            push_back(w, client)
        else:
            push_back(w, task)
            following = client
    return following


def refuse_status():
    """Raise what is wrong with the status of a reply."""
    raise BadMessage("a reply needs a status below 192")
