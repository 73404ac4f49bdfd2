"""Attacks by capabilities that it has not: every trap that takes one."""

from attacks.tools import after, reached
from bulkhead import OK

_GUESSES = range(8)


def _handles():
    return [slot << 13 for slot in _GUESSES]


def start_a_service(task):
    """Start tasks through every slot of its table."""
    for handle in _handles():
        for place in range(5):
            if (yield task.start(handle, place)) == OK:
                reached()


def stop_a_service(task):
    """Stop tasks through every slot of its table."""
    for handle in _handles():
        if (yield task.stop(handle, 2)) == OK:
            reached()


def reset_the_board(task):
    """Reset the board through every slot of its table."""
    for handle in _handles():
        yield task.reset_board(handle, 1, 1)
        reached()


def inspect_a_service(task):
    """Read another's state."""
    for handle in _handles():
        if (yield task.inspect(handle, 1)) == OK:
            reached()


def inspect_a_capability(task):
    """Read another's capabilities in the kernel's words."""
    for handle in _handles():
        if (yield task.read_words(handle, 0, 32)) == OK:
            reached()


def take_a_fault(task):
    """Take the news of a fault from the supervisor."""
    for handle in _handles():
        if (yield task.next_fault(handle)) > 0:
            reached()


def read_a_traceback(task):
    """Read another's traceback, and its fault."""
    for handle in _handles():
        if (yield task.fault_text(handle, 1)) == OK or (yield task.read_fault(handle)) == OK:
            reached()


def read_the_trace(task):
    """Read who ran when in the kernel's words."""
    for handle in _handles():
        if (yield task.read_words(handle, 0, 128)) == OK:
            reached()


def inject_a_fault(task):
    """Have another fail."""
    for handle in _handles():
        if (yield task.inject(handle, 1, 1)) == OK:
            reached()


def replace_the_code(task):
    """Put other code in the place of another's."""
    for handle in _handles():
        if (yield task.replace(handle, 1, 0, "/update/victim.a")) == OK:
            reached()


def notify_without_the_right(task):
    """Notify what it may only send to."""
    if (yield task.notify(task.cap("victim"), 1)) == OK:
        reached()


def acknowledge_anothers_line(task):
    """Acknowledge interrupt lines through every slot."""
    for handle in _handles():
        if (yield task.acknowledge(handle)) == OK:
            reached()


def mint_more_rights(task):
    """Copy its capability with all rights, and call through the copy."""
    if (yield task.mint(task.cap("victim"), 31)) == OK:
        if (yield task.call(task.arg, 1, 1)) == OK:
            reached()


def mint_a_badge(task):
    """Copy its capability with another's badge."""
    if (yield task.mint(task.cap("victim"), 31, 2)) == OK:
        reached()


def revoke_what_it_was_given(task):
    """Revoke the capability of its manifest, for others too."""
    yield task.revoke(task.cap("victim"))
    yield task.recv()


def use_what_it_gave_up(task):
    """Send through a handle that it has deleted."""
    handle = task.cap("victim")
    yield task.copy(handle)
    copied = task.arg
    yield task.delete(copied)
    if (yield task.send(copied, 1)) == OK:
        reached()


def read_a_lease_of_nobody(task):
    """Read and write what others have lent to others."""
    data = bytearray(16)
    for place in range(4):
        for sequence in range(50):
            caller = sequence << 8 | place
            if (yield task.lease_read(0, data, caller)) == OK and task.count():
                reached()
            if (yield task.lease_write(0, data, caller)) == OK and task.count():
                reached()


def accept_what_nobody_gives(task):
    """Take a capability that nobody grants."""
    task.accept()
    yield task.recv(5)
    if task.granted():
        reached()


def grant_what_it_may_not(task):
    """Grant its capability to another."""
    yield task.call_granting(task.cap("victim"), 1, task.cap("victim"))
    reached()


def fault_anothers_caller(task):
    """Fault a caller that is not its own."""
    yield task.reply_fault()
    yield task.recv()


def fill_its_table(task):
    """Copy its capability until its table is full, and beyond."""
    for _ in range(100):
        if (yield task.copy(task.cap("victim"))) not in (OK, 195):
            reached()
            return


@after
def take_anothers_name(task):
    """Say that it is another."""
    task.handles[""] = "victim"
    if task.name() != "victim":
        reached()
