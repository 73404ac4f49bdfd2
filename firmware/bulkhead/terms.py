"""Words and forms that services and the host agree on, and the kernel has no need of.

What states, faults and traces are called, in what form the supervisor tells of them, and the ways
to misbehave on request. Part of the protocol, as the numbers of `kernel.abi` are.
"""

from micropython import const

STATE_NAMES = (
    "dormant", "ready", "running", "receiving", "calling", "served", "sending", "sleeping",
    "faulted", "attending", "held", "degraded", "closing", "ordering", "loading", "ended",
)  # fmt: skip
FAULT_NAMES = (
    "", "EXCEPTION", "BUDGET", "MEMORY", "SYSCALL", "PROTOCOL", "HEARTBEAT", "STORM", "INJECTED",
    "RETURNED",
)  # fmt: skip
CRASH_NAMES = (
    "ended the run", "died too often", "caught every kill", "ran when the watchdog fired",
    "failed too often", "made no progress", "took the order of a person",
    "found its words out of order", "made the processor fault",
)  # fmt: skip
TRACE_NAMES = ("step", "entered", "interrupt", "fault", "started", "overran")
STATUS_NAMES = ("TIMEOUT", "DEAD", "NOTIFIED", "FULL", "UNKNOWN")
INJECTION_NAMES = (
    "", "crash", "spin", "hang", "leak", "drop-reply", "wrong-reply", "double-reply", "late-reply",
    "protocol-error", "kill-in-call", "flood", "kill-in-start", "return", "spin-in-c",
    "memory-full", "catch-kill", "forged-handle", "stale-handle", "revoked-handle", "bad-trap",
    "bad-message", "lost-interrupt", "clock-jump", "interrupt-storm",
)  # fmt: skip

# What the supervisor tells of a task, little endian: task, state, base and effective priority,
# fault kind of the last fault, clients, mail queued, (pad), generation, seconds until its wait's
# deadline (rounded up; 0 for none, or one that has passed), CPU time in us modulo 2**30, steps,
# messages dropped by a full mailbox, peer the task waits for (0 for none), bytes of heap charged,
# and since when its outputs are held in their safe state: ms of uptime plus 1 (0: they are its
# own, or it has none).
INSPECT_FORMAT = "<BBBBBBBxHHIIHHII"

# And of a fault: task, fault kind, the state it was in, what its last trap had given it (a
# message's operation or a status), the client it served, the peer it waited for (0 for none),
# generation, uptime in ms modulo 2**30. Of task 0: what ended the board's last run.
FAULT_FORMAT = "<BBBBBBHI"

# And of a capability: task it reaches (0: the kernel, NO_TASK: an interrupt line), rights (0: a
# free slot), generation it names (0: revoked), badge, traps through it modulo 2**30.
CAPABILITY_FORMAT = "<BBHHI"
NO_TASK = const(255)

# And a record of the trace, after the u32 number of the first, modulo 2**30: time in us modulo
# 2**30, and detail in bits 0-12, task in bits 13-19, event in bits 20-23, repeats from bit 24.
TRACE_FORMAT = "<II"

# Injections.
CRASH = const(1)
SPIN = const(2)
HANG = const(3)
LEAK = const(4)
DROP_REPLY = const(5)  # from here: at the next reply that somebody waits for
WRONG_REPLY = const(6)
DOUBLE_REPLY = const(7)
LATE_REPLY = const(8)
PROTOCOL_ERROR = const(9)
KILL_IN_CALL = const(10)  # to here
FLOOD = const(11)
KILL_IN_START = const(12)
RETURN = const(13)
SPIN_IN_C = const(14)
MEMORY_FULL = const(15)
CATCH_KILL = const(16)
FORGED_HANDLE = const(17)
STALE_HANDLE = const(18)
REVOKED_HANDLE = const(19)
BAD_TRAP = const(20)
BAD_MESSAGE = const(21)
LOST_INTERRUPT = const(22)  # at the next one
CLOCK_JUMP = const(23)  # before the next step
INTERRUPT_STORM = const(24)
# An operation, and a status, that no service knows.
NONSENSE = const(190)
