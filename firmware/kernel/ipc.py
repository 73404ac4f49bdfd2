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

from kernel.abi import CALLING, DEAD, MAY_CALL, OK, OPERATIONS, RECEIVING, SERVED, TIMED
from kernel.capabilities import NoRight, lookup
from kernel.layout import (
    TARGET, BADGE, BADGE_SHIFT, BASE, CLIENTS, GENERATION, GENERATION_MASK, MAIL_COUNT, NAMED,
    NEXT, OFFSET_MASK, OPERATION, PEER, PENDING, PRIORITY, RECORD_SHIFT, REGISTER_BADGE,
    REGISTER_CALLER, REGISTER_TIMEOUT, RESULT, SENDERS, SEQUENCE, SEQUENCE_MASK, SERVING, STATE,
    TASKS_END, TIMED_WAIT, TOKEN_SHIFT, TOKEN_TASK,
)  # fmt: skip
from kernel.limits import CALL_TIMEOUT_US
from kernel.mailbox import take_mail
from kernel.message import BadMessage, admit
from kernel.notifications import take_bits
from kernel.priority import queue_sender, raise_to, restore
from kernel.ready import push_back
from kernel.timeouts import arm, arm_ms
import micropython


@micropython.viper
def call(w: ptr32, frames, task: int, trap: int) -> int:
    """Send a message and wait for its reply, at most until the deadline."""
    capability = int(lookup(w, task, trap, MAY_CALL))
    operation = trap & 0xFF
    if operation >= OPERATIONS:
        raise NoRight
    server = w[capability + TARGET] & OFFSET_MASK
    named = w[capability + NAMED]
    if named & GENERATION_MASK != w[server + GENERATION]:
        w[task + RESULT] = DEAD
        return task
    frame = frames[task >> RECORD_SHIFT]
    frame.arg = admit(frame.arg)
    if trap & TIMED:
        arm_ms(w, task)
    else:
        arm(w, task, CALL_TIMEOUT_US)
    w[task + PEER] = server
    w[task + OPERATION] = operation
    w[task + BADGE] = named >> BADGE_SHIFT
    w[task + STATE] = CALLING
    w[server + CLIENTS] += 1
    queue_sender(w, server, task)
    raise_to(w, server, w[task + PRIORITY])
    if w[server + STATE] != RECEIVING:
        return 0
    w[server + TIMED_WAIT] = 0
    return int(recv(w, frames, server, 0))


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
        w[task + SERVING] = 0
    w[task + RESULT] = OK
    if token == 0:
        return task
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
    if client:
        w[task + SENDERS] = w[client + NEXT]
        token = w[client + SEQUENCE] << TOKEN_SHIFT | client >> RECORD_SHIFT
        w[client + STATE] = SERVED
        frames[task >> RECORD_SHIFT].arg = frames[client >> RECORD_SHIFT].arg
        w[task + RESULT] = w[client + OPERATION]
        w[task + SERVING] = token
        w[task + REGISTER_CALLER] = token
        w[task + REGISTER_BADGE] = w[client + BADGE]
        return task
    if w[task + MAIL_COUNT]:
        take_mail(w, frames, task)
        return task
    w[task + STATE] = RECEIVING
    if trap & TIMED:
        arm_ms(w, task)
    return 0
