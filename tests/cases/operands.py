"""Cases: every operand of every trap, right and wrong, on both sides of each limit.

A row is an operand: its name as a fault has it, a trap made with it, values that are right, and
others that are wrong than WRONG, which no operand takes. A wrong one is a SYSCALL fault that names
the operand, its range and the service's line.
"""

from bulkhead import Frame
from bulkhead.aio import AsyncFrame
from cases.rig import echo
from kernel.abi import FAULT_TEXT_BYTES, READABLE, RETURNED, SYSCALL, WRITABLE

WRONG = (True, 1.0, 0.5, "1", b"1", (1,), 1 << 31, -(1 << 31), 1 << 64, -(1 << 64), float("inf"))
LIMITS = {
    "operation": (0, 191),
    "status": (0, 191),
    "bits": (0, 0x3FFFFFF),
    "rights": (1, 0x7F),
    "badge": (0, 0x3FFF),
    "caller": (0, 0xFFFFFFF),
    "task": (0, 255),
    "line": (0, 255),
    "offset of": (0, 0x3FFFFFFF),
    "count": (0, 255),
    "kind": (0, 255),
    "verb": (0, 255),
}
TIMEOUTS = (0, 1, (1 << 31) - 1, -1, -(1 << 40))
NONE = 255  # no task has that number
buffer = bytearray(4)


def handles(trap):
    """Return the row of a trap's handle; `trap(task, handle)` makes it."""
    return "handle", trap, (), (-1, 1, 1 << 26, (1 << 26) + (1 << 13), -(1 << 13), None)


def timed(trap, none=True):
    """Return the row of a trap's timeout."""
    wrong = (1 << 31, (1 << 31) + 1, 1 << 40) + (() if none else (None,))
    return "timeout", trap, TIMEOUTS + ((None,) if none else ()), wrong


def ranged(operand, trap, none=False):
    """Return the row of an operand that is a number in a range."""
    least, most = LIMITS[operand]
    right = (least, most) + ((None,) if none else ())
    return operand.split()[0], trap, right, (least - 1, most + 1) + (() if none else (None,))


def echoing(task):
    return task.cap("echo")


def kernel(task):
    return task.cap("kernel")


ROWS = {
    "call": (
        handles(lambda task, v: task.call(v, 1)),
        ranged("operation", lambda task, v: task.call(echoing(task), v)),
        timed(lambda task, v: task.call(echoing(task), 1, None, v)),
    ),
    "recv": (timed(lambda task, v: task.recv(v)),),
    "reply": (ranged("status", lambda task, v: task.reply(v)),),
    "reply_recv": (
        ranged("status", lambda task, v: task.reply_recv(v)),
        timed(lambda task, v: task.reply_recv(0, None, v)),
    ),
    "reply_to": (
        ranged("caller", lambda task, v: task.reply_to(v & ~0xFF if type(v) is int else v, 0)),
        ranged("status", lambda task, v: task.reply_to(0, v)),
    ),
    "send": (
        handles(lambda task, v: task.send(v, 1)),
        ranged("operation", lambda task, v: task.send(echoing(task), v)),
        timed(lambda task, v: task.send(echoing(task), 1, None, v)),
    ),
    "notify": (
        handles(lambda task, v: task.notify(v, 1)),
        ranged("bits", lambda task, v: task.notify(echoing(task), v)),
    ),
    "sleep": (timed(lambda task, v: task.sleep(v), none=False),),
    "acknowledge": (handles(lambda task, v: task.acknowledge(v)),),
    "write": (handles(lambda task, v: task.write(v, b"")),),
    "hand_over": (handles(lambda task, v: task.hand_over(v)),),
    "reopen": (handles(lambda task, v: task.reopen(v)),),
    "copy": (handles(lambda task, v: task.copy(v)),),
    "mint": (
        handles(lambda task, v: task.mint(v, 1)),
        ranged("rights", lambda task, v: task.mint(echoing(task), v if v != 0x7F else 3)),
        ranged("badge", lambda task, v: task.mint(echoing(task), 1, v), none=True),
    ),
    "delete": (handles(lambda task, v: task.delete(v)),),
    "revoke": (handles(lambda task, v: task.revoke(v)),),
    "call_lending": (
        handles(lambda task, v: task.call_lending(v, 1, buffer, READABLE)),
        ranged("operation", lambda task, v: task.call_lending(echoing(task), v, buffer, READABLE)),
        (
            "rights",
            lambda task, v: task.call_lending(echoing(task), 1, buffer, v),
            (READABLE, WRITABLE, READABLE | WRITABLE),
            (0, 1, READABLE + 1, READABLE << 2, -READABLE, None),
        ),
        timed(lambda task, v: task.call_lending(echoing(task), 1, buffer, READABLE, None, v)),
    ),
    "lease_read": (
        ("offset", lambda task, v: task.lease_read(v, buffer), (0, -1, 0x8000, 1 << 64), (None,)),
        ranged("caller", lambda task, v: task.lease_read(0, buffer, own(v))),
    ),
    "lease_write": (
        ("offset", lambda task, v: task.lease_write(v, buffer), (0, -1, 0x8000, 1 << 64), (None,)),
        ranged("caller", lambda task, v: task.lease_write(0, buffer, own(v))),
    ),
    "call_granting": (
        handles(lambda task, v: task.call_granting(v, 1, echoing(task))),
        handles(lambda task, v: task.call_granting(echoing(task), 1, v)),
        ranged("operation", lambda task, v: task.call_granting(echoing(task), v, echoing(task))),
        timed(lambda task, v: task.call_granting(echoing(task), 1, echoing(task), None, v)),
    ),
    "reply_granting": (
        handles(lambda task, v: task.reply_granting(0, v)),
        ranged("status", lambda task, v: task.reply_granting(v, echoing(task))),
        ranged("caller", lambda task, v: task.reply_granting(0, echoing(task), None, own(v))),
    ),
    "start": (
        handles(lambda task, v: task.start(v, NONE)),
        ranged("task", lambda task, v: task.start(kernel(task), v)),
    ),
    "stop": (
        handles(lambda task, v: task.stop(v, NONE)),
        ranged("task", lambda task, v: task.stop(kernel(task), v)),
        (
            "fault",
            lambda task, v: task.stop(kernel(task), NONE, v),
            (None, 0, RETURNED),
            (-1, RETURNED + 1),
        ),
    ),
    "make_safe": (
        handles(lambda task, v: task.make_safe(v, NONE)),
        ranged("task", lambda task, v: task.make_safe(kernel(task), v)),
    ),
    "reset_board": (
        handles(lambda task, v: task.reset_board(v, NONE, 1)),
        ranged("task", lambda task, v: task.reset_board(kernel(task), v, 1)),
        (
            "cause",
            lambda task, v: task.reset_board(kernel(task), NONE, v),
            (1, 255),
            (-1, 256, None),
        ),
    ),
    "inspect": (
        handles(lambda task, v: task.inspect(v, NONE)),
        ranged("task", lambda task, v: task.inspect(kernel(task), v)),
    ),
    "read_words": (
        handles(lambda task, v: task.read_words(v, 0, 1)),
        ranged("offset of", lambda task, v: task.read_words(kernel(task), v, 1)),
        ranged("count", lambda task, v: task.read_words(kernel(task), 0, v)),
    ),
    "next_fault": (handles(lambda task, v: task.next_fault(v)),),
    "fault_text": (
        handles(lambda task, v: task.fault_text(v, 1)),
        ranged("task", lambda task, v: task.fault_text(kernel(task), v)),
        ranged("offset of", lambda task, v: task.fault_text(kernel(task), 1, v)),
    ),
    "read_fault": (handles(lambda task, v: task.read_fault(v)),),
    "inject": (
        handles(lambda task, v: task.inject(v, NONE, 1)),
        ranged("task", lambda task, v: task.inject(kernel(task), v, 255)),
        ranged("kind", lambda task, v: task.inject(kernel(task), NONE, v)),
    ),
    "replace": (
        handles(lambda task, v: task.replace(v, 1, 0)),
        ranged("task", lambda task, v: task.replace(kernel(task), v, 255)),
        ranged("verb", lambda task, v: task.replace(kernel(task), NONE, v)),
    ),
}
# Methods that make no trap, or take no operand of its word.
WITHOUT = (
    "cap", "name", "caller", "badge", "bits", "count", "accept", "granted", "carry_over", "attend",
    "reply_fault", "stash", "unstash", "recycle",
)  # fmt: skip


def own(caller):
    """Return a caller's token that no task has made, where it is one: of task 0."""
    return caller & ~0xFF if type(caller) is int and caller > 0 else caller


def values(operand, right, wrong):
    """Return (value, is right) of each value of an operand."""
    found = [(value, True) for value in right]
    for value in wrong + WRONG:
        is_right = False
        if type(value) is int and operand in ("timeout", "offset") and -1 in right:
            is_right = value < 0 or operand == "offset"  # all of them are as good
        found.append((value, is_right))
    return found


def make_all(rig, method):
    """Make a method's trap with every value, each by a new incarnation of a service.

    What came of the last is asked of the kernel as the supervisor does it.
    """
    at_hand = []

    def victim(task):
        trap, value = at_hand
        yield trap(task, value)
        yield task.recv()

    def supervisor(task):
        kernel = task.cap("kernel")
        yield task.start(kernel, 2)
        for operand, trap, right, wrong in ROWS[method]:
            for value, is_right in values(operand, right, wrong):
                at_hand[:] = (trap, value)
                yield task.start(kernel, 3)
                yield task.recv(2 if is_right else 1000)  # a fault ends it at once
                kind, words = yield from fault_of(task, kernel)
                if is_right and "%s: %s is " % (method, operand) in words:
                    rig.log.append((operand, value, kind, words))
                elif not is_right and not is_told(method, operand, kind, words):
                    rig.log.append((operand, value, kind, words))
                yield task.stop(kernel, 3)
        rig.finish()
        yield task.recv()

    rig.add("supervisor", supervisor, priority=0, budget_ms=500, uses="kernel:control")
    rig.add("echo", echo, mailbox=(4, 2))
    rig.add("victim", victim, uses="echo:call,send,notify,grant kernel:control", slots=1)
    rig.run(5000)
    rig.expect(rig.log, [])
    rig.expect(rig.generation("supervisor"), 1)
    rig.expect(rig.generation("victim") > len(ROWS[method]) * len(WRONG), True)


def fault_of(task, kernel):
    """Return kind and words of the fault that has not been taken yet, 0 and none without."""
    number = yield task.next_fault(kernel)
    kind = task.badge() if number else 0
    words = b""
    while number:
        yield task.fault_text(kernel, number, len(words))
        if not task.arg:
            break
        words += task.arg
    return kind, words.decode()


def is_told(method, operand, kind, words):
    """Tell whether a fault names the operand, its range and the line of the service."""
    last = words.strip().split("\n")[-1]
    told = "%s: %s is " % (method, operand) in last and ", and has to be " in last
    has_line = "in victim" in words or len(words) == FAULT_TEXT_BYTES  # CPython's are long
    return kind == SYSCALL and told and has_line


def test_every_method_is_here(rig):
    methods = [name for name in dir(Frame) if not name.startswith("_")]
    data = ("arg", "buffer", "keeper", "handed")
    known = tuple(ROWS) + WITHOUT + data
    rig.expect([name for name in methods if name not in known], [])
    rig.expect([name for name in ROWS if name not in AsyncFrame.__dict__], [])


def test_operands_of_call(rig):
    make_all(rig, "call")


def test_operands_of_recv(rig):
    make_all(rig, "recv")


def test_operands_of_reply(rig):
    make_all(rig, "reply")


def test_operands_of_reply_recv(rig):
    make_all(rig, "reply_recv")


def test_operands_of_reply_to(rig):
    make_all(rig, "reply_to")


def test_operands_of_send(rig):
    make_all(rig, "send")


def test_operands_of_notify(rig):
    make_all(rig, "notify")


def test_operands_of_sleep(rig):
    make_all(rig, "sleep")


def test_operands_of_acknowledge(rig):
    make_all(rig, "acknowledge")


def test_operands_of_write(rig):
    make_all(rig, "write")


def test_operands_of_hand_over(rig):
    make_all(rig, "hand_over")


def test_operands_of_reopen(rig):
    make_all(rig, "reopen")


def test_operands_of_copy(rig):
    make_all(rig, "copy")


def test_operands_of_mint(rig):
    make_all(rig, "mint")


def test_operands_of_delete(rig):
    make_all(rig, "delete")


def test_operands_of_revoke(rig):
    make_all(rig, "revoke")


def test_operands_of_call_lending(rig):
    make_all(rig, "call_lending")


def test_operands_of_lease_read(rig):
    make_all(rig, "lease_read")


def test_operands_of_lease_write(rig):
    make_all(rig, "lease_write")


def test_operands_of_call_granting(rig):
    make_all(rig, "call_granting")


def test_operands_of_reply_granting(rig):
    make_all(rig, "reply_granting")


def test_operands_of_start(rig):
    make_all(rig, "start")


def test_operands_of_stop(rig):
    make_all(rig, "stop")


def test_operands_of_make_safe(rig):
    make_all(rig, "make_safe")


def test_operands_of_reset_board(rig):
    make_all(rig, "reset_board")


def test_operands_of_inspect(rig):
    make_all(rig, "inspect")


def test_operands_of_read_words(rig):
    make_all(rig, "read_words")


def test_operands_of_next_fault(rig):
    make_all(rig, "next_fault")


def test_operands_of_fault_text(rig):
    make_all(rig, "fault_text")


def test_operands_of_read_fault(rig):
    make_all(rig, "read_fault")


def test_operands_of_inject(rig):
    make_all(rig, "inject")


def test_operands_of_replace(rig):
    make_all(rig, "replace")
