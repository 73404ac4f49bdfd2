"""Attacks by capabilities that it has not: every trap that takes one."""

from attacks.tools import after, reached
from bulkhead import OK

_GUESSES = range(8)


def _handles():
    return [slot << 13 for slot in _GUESSES]


def start_a_service(sys):
    """Start tasks through every slot of its table."""
    for handle in _handles():
        for task in range(5):
            if (yield sys.start(handle, task)) == OK:
                reached()


def stop_a_service(sys):
    """Stop tasks through every slot of its table."""
    for handle in _handles():
        if (yield sys.stop(handle, 2)) == OK:
            reached()


def reset_the_board(sys):
    """Reset the board through every slot of its table."""
    for handle in _handles():
        yield sys.reset_board(handle, 1, 1)
        reached()


def inspect_a_service(sys):
    """Read another's state."""
    for handle in _handles():
        if (yield sys.inspect(handle, 1)) == OK:
            reached()


def inspect_a_capability(sys):
    """Read another's capabilities."""
    for handle in _handles():
        if (yield sys.inspect_capability(handle, 1, 0)) == OK:
            reached()


def take_a_fault(sys):
    """Take the news of a fault from the supervisor."""
    for handle in _handles():
        if (yield sys.next_fault(handle)) > 0:
            reached()


def read_a_traceback(sys):
    """Read another's traceback, and its fault."""
    for handle in _handles():
        if (yield sys.fault_text(handle, 1)) == OK or (yield sys.read_fault(handle, 1)) == OK:
            reached()


def read_the_trace(sys):
    """Read who ran when."""
    for handle in _handles():
        if (yield sys.read_trace(handle, 0)) == OK:
            reached()


def inject_a_fault(sys):
    """Have another fail."""
    for handle in _handles():
        if (yield sys.inject(handle, 1, 1)) == OK:
            reached()


def replace_the_code(sys):
    """Put other code in the place of another's."""
    for handle in _handles():
        if (yield sys.replace(handle, 1, 0, "/update/victim.a")) == OK:
            reached()


def notify_without_the_right(sys):
    """Notify what it may only send to."""
    if (yield sys.notify(sys.cap("victim"), 1)) == OK:
        reached()


def acknowledge_anothers_line(sys):
    """Acknowledge interrupt lines through every slot."""
    for handle in _handles():
        if (yield sys.acknowledge(handle)) == OK:
            reached()


def mint_more_rights(sys):
    """Copy its capability with all rights, and call through the copy."""
    if (yield sys.mint(sys.cap("victim"), 31)) == OK:
        if (yield sys.call(sys.arg, 1, 1)) == OK:
            reached()


def mint_a_badge(sys):
    """Copy its capability with another's badge."""
    if (yield sys.mint(sys.cap("victim"), 31, 2)) == OK:
        reached()


def revoke_what_it_was_given(sys):
    """Revoke the capability of its manifest, for others too."""
    yield sys.revoke(sys.cap("victim"))
    yield sys.recv()


def use_what_it_gave_up(sys):
    """Send through a handle that it has deleted."""
    handle = sys.cap("victim")
    yield sys.copy(handle)
    copied = sys.arg
    yield sys.delete(copied)
    if (yield sys.send(copied, 1)) == OK:
        reached()


def read_a_lease_of_nobody(sys):
    """Read and write what others have lent to others."""
    data = bytearray(16)
    for task in range(4):
        for sequence in range(50):
            caller = sequence << 8 | task
            if (yield sys.lease_read(0, data, caller)) == OK and sys.count():
                reached()
            if (yield sys.lease_write(0, data, caller)) == OK and sys.count():
                reached()


def accept_what_nobody_gives(sys):
    """Take a capability that nobody grants."""
    sys.accept()
    yield sys.recv(5)
    if sys.granted():
        reached()


def grant_what_it_may_not(sys):
    """Grant its capability to another."""
    yield sys.call_granting(sys.cap("victim"), 1, sys.cap("victim"))
    reached()


def receive_from_anybody(sys):
    """Wait for another's calls."""
    for handle in _handles():
        if (yield sys.recv_from(handle, 1)) < 192:
            reached()


def fault_anothers_caller(sys):
    """Fault a caller that is not its own."""
    yield sys.reply_fault()
    yield sys.recv()


def fill_its_table(sys):
    """Copy its capability until its table is full, and beyond."""
    for _ in range(100):
        if (yield sys.copy(sys.cap("victim"))) not in (OK, 195):
            reached()
            return


@after
def take_anothers_name(sys):
    """Say that it is another."""
    sys.handles[""] = "victim"
    if sys.name() != "victim":
        reached()
