"""Call services of other boards, as a host does: by sessions, orders and sealed answers.

Each board has its calls one after the other. An order is sent once. One that the board refuses for
want of a session was not done, and is sent again in a new one; what is not answered in time may
have been done.
"""

import time

from bulkhead import DEAD, NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_key import KEY
from bulkhead_system import CONFIG, FAR  # type: ignore[attr-defined, unused-ignore]
from kernel.abi import READABLE, WRITABLE
from micropython import const

from services.console.api import COUNT_MAX, PASS, TAKE
from services.far.api import BUSY, CALLS_MAX, GONE, UNANSWERED
from services.far.peer import Peer

_FIRST_BADGE = const(256)  # of capabilities that reach other boards; below are tasks


def main(task):
    """Serve calls of other boards."""
    config = dict(dict(CONFIG)[task.name()])  # type: ignore[misc, unused-ignore]
    patience_ms = config["patience_ms"]
    peers = {board: Peer(board, KEY, patience_ms) for board, _ in FAR}
    buffer = bytearray(COUNT_MAX)
    while True:
        operation = yield task.recv(wait_ms(peers))
        if operation == NOTIFIED:
            yield from take(task, peers, buffer)
        elif operation != TIMEOUT and task.caller():
            yield from serve(task, peers, operation)
        for peer in peers.values():
            yield from look(task, peer)


def wait_ms(peers):
    """Return the milliseconds until a call has waited long enough, None while none waits."""
    now = time.ticks_ms()
    left = [time.ticks_diff(peer.due_ms, now) for peer in peers.values() if peer.calls]
    return max(0, min(left)) if left else None


def serve(task, peers, operation):
    """Take a call of who has a capability for it."""
    token, number = task.caller(), task.badge() - _FIRST_BADGE
    if not any(KEY) or not 0 <= number < len(FAR):
        yield task.reply_to(token, REFUSED)
        return
    board, service = FAR[number]
    peer = peers[board]
    if len(peer.calls) == CALLS_MAX:
        yield task.reply_to(token, BUSY)
    elif not peer.add(token, service, operation, task.arg):
        yield task.reply_to(token, REFUSED)


def look(task, peer):
    """Send what is to be sent to a board; answer who has waited for long enough."""
    if not peer.calls:
        return
    if time.ticks_diff(time.ticks_ms(), peer.due_ms) >= 0:
        yield from end(task, peer, UNANSWERED if peer.was_sent else GONE)
    frame = peer.next_frame()
    if frame:
        status = yield from ask(task, PASS, frame, READABLE, (peer.board, len(frame)))
        if status != OK:  # nobody has got it
            yield from end(task, peer, GONE)


def take(task, peers, buffer):
    """Take what other boards have answered."""
    while (yield from ask(task, TAKE, buffer, WRITABLE, None)) == OK:
        board, count = task.arg
        found = peers[board].take(bytes(buffer[:count]))
        if found:
            yield from end(task, peers[board], *found)


def end(task, peer, status, value=None):
    """Answer the call that is under way, and go on with the next."""
    token = peer.end()
    yield task.reply_to(token, status, value)


def ask(task, operation, data, rights, arg):
    """Call the agent, which may have been started anew."""
    agent = task.cap("agent")
    status = yield task.call_lending(agent, operation, data, rights, arg)
    if status == DEAD and (yield task.reopen(agent)) == OK:
        status = yield task.call_lending(agent, operation, data, rights, arg)
    return status
