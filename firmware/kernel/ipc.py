"""Messages: call, reply, receive.

A handler gets the kernel's words, the frames, the trapping task and its trap word, and returns
the task to run next (0: look in the ready queues). It never switches by itself. Handlers run in
kernel context, allocate nothing, and raise only what the operands in the task's own frame cause
(`BadMessage`, `NoRight`): that task's fault.

The way of a call: `call` finds the server behind the handle, queues the caller there and lends
the server its priority; a server that is receiving takes the message at once and is returned as
the next to run. The reply finds the caller by its token, gives it the status and the value, takes
the priority back and returns the caller. The commonest way of both, to a server that waits and
back to the one that called, is short-cut in `dispatch` with the same effects.
"""

from kernel.abi import (
    AWAITING, CALLING, DEAD, EXTRA, FULL, MAY_CALL, OK, OPERATIONS, RECEIVING, SERVED, TIMED,
)  # fmt: skip
from kernel.capabilities import NoRight, is_alive, lookup
from kernel.carried import attach, grant_with_reply, hand_over
from kernel.layout import (
    TARGET, BADGE, BADGE_SHIFT, BASE, CLIENTS, GENERATION, GENERATION_MASK, MAIL_COUNT, NAMED,
    NEXT, OFFSET_MASK, OPERATION, PEER, PENDING, PRIORITY, RECORD_SHIFT, REGISTER_BADGE,
    REGISTER_CALLER, REGISTER_TIMEOUT, RESULT, RIGHTS_MASK, SENDERS, SEQUENCE, SEQUENCE_MASK,
    SERVING, STATE, TASKS_END, TIMED_WAIT, TOKEN_SHIFT, TOKEN_TASK,
)  # fmt: skip
from kernel.limits import CALL_TIMEOUT_US
from kernel.mailbox import take_mail
from kernel.message import BadMessage, admit
from kernel.notifications import take_bits
from kernel.priority import queue_sender, raise_to, restore, unqueue_sender
from kernel.ready import push_back
from kernel.timeouts import arm, arm_ms, leave_server
import micropython


@micropython.viper
def call(w: ptr32, frames, task: int, trap: int) -> int:
    """Send a message and wait for its reply, at most until the deadline."""
    capability = int(lookup(w, task, trap, MAY_CALL))
    if trap & 0xFF >= OPERATIONS:
        raise NoRight
    server = w[capability + TARGET] & OFFSET_MASK
    named = w[capability + NAMED]
    if named & GENERATION_MASK != w[server + GENERATION]:
        w[task + RESULT] = DEAD
        return task
    frame = frames[task >> RECORD_SHIFT]
    frame.arg = admit(frame.arg)
    state = w[server + STATE]
    waits = 1 if state == RECEIVING else 0
    if state == AWAITING and w[server + PEER] == task:
        waits = 1
    if trap & EXTRA:
        attach(w, task)
        if waits and int(hand_over(w, task, server)) == 0:
            w[task + RESULT] = FULL
            return task
    if trap & TIMED:
        arm_ms(w, task)
    else:
        arm(w, task, CALL_TIMEOUT_US)
    if state == AWAITING and waits:
        leave_server(w, server)
    w[task + PEER] = server
    w[task + OPERATION] = trap
    w[task + BADGE] = named >> BADGE_SHIFT
    w[server + CLIENTS] += 1
    if waits == 0:
        w[task + STATE] = CALLING
        queue_sender(w, server, task)
        raise_to(w, server, w[task + PRIORITY])
        return 0
    w[server + TIMED_WAIT] = 0
    raise_to(w, server, w[task + PRIORITY])
    return int(take(w, frames, server, task))


@micropython.viper
def answer(w: ptr32, frames, server: int, token: int, status: int) -> int:
    """Give the caller behind `token` its reply; return it, or 0 when it waits no longer.

    A caller that timed out, died or was answered already is no mistake of the server's: the
    reply is dropped. A token that names no task at all was forged, and faults the server.
    """
    client = (token & TOKEN_TASK) << RECORD_SHIFT
    if client >= w[TASKS_END] or status >= OPERATIONS:
        raise BadMessage("a reply needs a status below 192 and a token that recv gave")
    if (
        w[client + STATE] != SERVED
        or w[client + PEER] != server
        or w[client + SEQUENCE] != token >> TOKEN_SHIFT
    ):
        return 0
    frames[client >> RECORD_SHIFT].arg = admit(frames[server >> RECORD_SHIFT].arg)
    w[client + RESULT] = status
    release(w, client, server)
    return client


@micropython.viper
def release(w: ptr32, client: int, server: int):
    """End the call of `client`, which is in no queue, and take back what it lent the server."""
    w[client + TIMED_WAIT] = 0
    w[client + PEER] = 0
    w[client + SEQUENCE] = (w[client + SEQUENCE] + 1) & SEQUENCE_MASK
    clients = w[server + CLIENTS] - 1
    w[server + CLIENTS] = clients
    if w[server + PRIORITY] != w[server + BASE]:
        restore(w, server)


@micropython.viper
def reply(w: ptr32, frames, task: int, trap: int) -> int:
    """Answer the caller received last, or with TIMED the one whose token is in the register."""
    if trap & TIMED:
        token = w[task + REGISTER_TIMEOUT]
    else:
        token = w[task + SERVING]
    w[task + RESULT] = OK
    if token == 0:
        return task
    if trap & EXTRA and int(grant_with_reply(w, task, token)) == 0:
        w[task + RESULT] = FULL
        return task
    if trap & TIMED == 0:
        w[task + SERVING] = 0
    client = int(answer(w, frames, task, token, trap & 0xFF))
    if client == 0:
        return task
    if w[client + PRIORITY] < w[task + PRIORITY]:
        push_back(w, task)
        return client
    push_back(w, client)
    return task


@micropython.viper
def reply_recv(w: ptr32, frames, task: int, trap: int) -> int:
    """Answer the caller received last and wait for the next, in one trap."""
    token = w[task + SERVING]
    client = int(answer(w, frames, task, token, trap & 0xFF)) if token else 0
    here = int(recv(w, frames, task, trap))
    if client == 0:
        return here
    if here == 0:
        return client
    if w[here + PRIORITY] < w[client + PRIORITY]:
        push_back(w, client)
        return here
    push_back(w, here)
    return client


@micropython.viper
def recv(w: ptr32, frames, task: int, trap: int) -> int:
    """Take what waits, or wait: notifications, then callers by importance, then the mailbox."""
    w[task + SERVING] = 0
    if w[task + PENDING]:
        take_bits(w, task)
        return task
    client = w[task + SENDERS]
    while client:
        w[task + SENDERS] = w[client + NEXT]
        if w[client + OPERATION] & EXTRA == 0 or int(hand_over(w, client, task)):
            return int(take(w, frames, task, client))
        refuse(w, client, task)
        client = w[task + SENDERS]
    if w[task + MAIL_COUNT]:
        take_mail(w, frames, task)
        return task
    w[task + STATE] = RECEIVING
    if trap & TIMED:
        arm_ms(w, task)
    return 0


@micropython.viper
def take(w: ptr32, frames, server: int, client: int) -> int:
    """Make the call of `client`, which is in no queue, the result of the recv of `server`."""
    token = w[client + SEQUENCE] << TOKEN_SHIFT | client >> RECORD_SHIFT
    w[client + STATE] = SERVED
    frames[server >> RECORD_SHIFT].arg = frames[client >> RECORD_SHIFT].arg
    w[server + RESULT] = w[client + OPERATION] & 0xFF
    w[server + SERVING] = token
    w[server + REGISTER_CALLER] = token
    w[server + REGISTER_BADGE] = w[client + BADGE]
    return server


@micropython.viper
def refuse(w: ptr32, client: int, server: int):
    """End the call of `client`, which is in no queue, since `server` takes no capability now."""
    w[client + RESULT] = FULL
    release(w, client, server)
    push_back(w, client)


@micropython.viper
def recv_from(w: ptr32, frames, task: int, trap: int) -> int:
    """Take a call of the one task behind the handle, or wait for it: DEAD when that has died.

    A notification and the timeout end the wait too; the calls of others stay queued. Whoever is
    waited for runs at this task's priority, and so at that of those queued here.
    """
    capability = int(lookup(w, task, trap, RIGHTS_MASK))
    sender = w[capability + TARGET] & OFFSET_MASK
    if sender == 0 or sender >= w[TASKS_END] or sender == task:
        raise NoRight
    w[task + SERVING] = 0
    if w[task + PENDING]:
        take_bits(w, task)
        return task
    if int(is_alive(w, capability)) == 0:
        w[task + RESULT] = DEAD
        return task
    if w[sender + STATE] == CALLING and w[sender + PEER] == task:
        unqueue_sender(w, task, sender)
        if w[sender + OPERATION] & EXTRA == 0 or int(hand_over(w, sender, task)):
            return int(take(w, frames, task, sender))
        refuse(w, sender, task)
    w[task + STATE] = AWAITING
    w[task + PEER] = sender
    w[sender + CLIENTS] += 1
    if trap & TIMED:
        arm_ms(w, task)
    raise_to(w, sender, w[task + PRIORITY])
    return 0
