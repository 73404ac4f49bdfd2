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

from kernel.abi import *
from kernel.capabilities import is_alive, lookup
from kernel.carried import attach, caller_of, hand_over
from kernel.layout import *
from kernel.mailbox import take_mail, wait_for
from kernel.message import BadMessage, admit
from kernel.notifications import take_bits
from kernel.ready import push_back
from kernel.timeouts import arm_ms, end_wait, leave_server


def call(w, frames, task, trap):
    """Send a message and wait for its reply, at most until the deadline."""
    capability = lookup(w, task, trap, MAY_CALL)
    if trap & 0xFF >= OPERATIONS:
        raise BadMessage("call: the operation has to be below 192")
    server = w[capability + TARGET] & OFFSET_MASK
    if not is_alive(w, capability):
        w[task + RESULT] = DEAD
        return task
    frame = frames[task >> RECORD_SHIFT]
    frame.arg = admit(frame.arg)
    waits = w[server + STATE] == RECEIVING
    if trap & EXTRA:
        attach(w, task)
        if waits and not hand_over(w, task, server):
            w[task + RESULT] = FULL
            return task
    if waits:
        w[server + TIMED_WAIT] = 0
    w[task + OPERATION] = trap
    w[task + BADGE] = w[capability + NAMED] >> BADGE_SHIFT
    wait_for(w, server, task, trap, SERVED if waits else CALLING)
    return take(w, frames, server, task) if waits else 0


def answer(w, frames, server, token, status):
    """Give the caller behind `token` its reply; return it, or 0 when it waits no longer."""
    client = caller_of(w, server, token)
    if status >= OPERATIONS:
        raise BadMessage("a reply needs a status below 192")
    if client:
        frames[client >> RECORD_SHIFT].arg = admit(frames[server >> RECORD_SHIFT].arg)
        w[client + RESULT] = status
        leave_server(w, client)
    return client


def reply(w, frames, task, trap):
    """Answer the caller received last, or with TIMED the one whose token is in the register."""
    if trap & TIMED:
        token = w[task + REGISTER_TIMEOUT]
    else:
        token = w[task + SERVING]
    w[task + RESULT] = OK
    if token == 0:
        return task
    if trap & EXTRA:
        attach(w, task)
        client = caller_of(w, task, token)
        if client and not hand_over(w, task, client):
            w[task + RESULT] = FULL
            return task
    if trap & TIMED == 0:
        w[task + SERVING] = 0
    client = answer(w, frames, task, token, trap & 0xFF)
    if client == 0:
        return task
    if w[client + PRIORITY] < w[task + PRIORITY]:
        push_back(w, task)
        return client
    push_back(w, client)
    return task


def reply_recv(w, frames, task, trap):
    """Answer the caller received last and wait for the next, in one trap."""
    token = w[task + SERVING]
    client = answer(w, frames, task, token, trap & 0xFF) if token else 0
    here = recv(w, frames, task, trap)
    if client == 0:
        return here
    if here == 0:
        return client
    if w[here + PRIORITY] < w[client + PRIORITY]:
        push_back(w, client)
        return here
    push_back(w, here)
    return client


def recv(w, frames, task, trap):
    """Take what waits, or wait: notifications, then callers by importance, then the mailbox."""
    w[task + SERVING] = 0
    if w[task + PENDING]:
        take_bits(w, task)
        return task
    client = w[task + SENDERS]
    while client:
        w[task + SENDERS] = w[client + NEXT]
        if w[client + OPERATION] & EXTRA == 0 or hand_over(w, client, task):
            return take(w, frames, task, client)
        end_wait(w, client, FULL)  # it takes no capability now
        client = w[task + SENDERS]
    if w[task + MAIL_COUNT]:
        take_mail(w, frames, task)
        return task
    w[task + STATE] = RECEIVING
    if trap & TIMED:
        arm_ms(w, task)
    return 0


def take(w, frames, server, client):
    """Make the call of `client`, which is in no queue, the result of the recv of `server`."""
    token = w[client + SEQUENCE] << TOKEN_SHIFT | client >> RECORD_SHIFT
    w[client + STATE] = SERVED
    frames[server >> RECORD_SHIFT].arg = frames[client >> RECORD_SHIFT].arg
    w[server + RESULT] = w[client + OPERATION] & 0xFF
    w[server + SERVING] = token
    w[server + REGISTER_CALLER] = token
    w[server + REGISTER_BADGE] = w[client + BADGE]
    return server
