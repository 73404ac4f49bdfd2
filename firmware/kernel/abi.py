"""Numbers that the kernel, the services and the host tools agree on.

A number here is part of the protocol: change it and every image, service and tool changes with
it. `ABI` names the set; the link's HELLO carries it.
"""

from micropython import const

ABI = const(6)

# Trap word: operation in bits 0-7, trap in bits 8-12, handle in bits 13-25. A handle is a slot of
# the task's table and the slot's generation; it is handed out already shifted, so that a frame
# makes a trap word by adding.
TRAP_SHIFT = const(8)
HANDLE_SHIFT = const(13)
SLOT_MASK = const(0x7F)
HANDLE_GENERATION_SHIFT = const(20)
HANDLE_GENERATION_MASK = const(0x3F)

# Traps, shifted into place.
YIELD = const(0 << 8)
CALL = const(1 << 8)
REPLY_RECV = const(2 << 8)
RECV = const(3 << 8)
REPLY = const(4 << 8)
SEND = const(5 << 8)
NOTIFY = const(6 << 8)
SLEEP = const(7 << 8)  # operation 0: asleep; 1: LOADING
REOPEN = const(8 << 8)
ACKNOWLEDGE = const(9 << 8)
REPLY_FAULT = const(10 << 8)
START = const(11 << 8)
STOP = const(12 << 8)
INSPECT = const(13 << 8)
NEXT_FAULT = const(14 << 8)
FAULT_TEXT = const(15 << 8)
INJECT = const(16 << 8)
MINT = const(17 << 8)
DELETE = const(18 << 8)
REVOKE = const(19 << 8)
LEASE_READ = const(21 << 8)  # offset in bits 13-27, or with EXTRA in a register
LEASE_WRITE = const(22 << 8)
LEASE_OFFSET_MASK = const(0x7FFF)
READ_WORDS = const(24 << 8)
READ_FAULT = const(25 << 8)
ATTEND = const(26 << 8)
STASH = const(27 << 8)  # operation 0: keep a value; 1: give what was kept
REPLACE = const(28 << 8)
MAKE_SAFE = const(29 << 8)

# Set in a trap word: the timeout is in the frame's first register.
TIMED = const(1 << 28)
# A call lends its caller's `buffer`, to be read or to be written.
READABLE = const(1 << 26)
WRITABLE = const(1 << 27)
# A call or a reply grants a capability.
EXTRA = const(1 << 29)

# Operation of DELETE: the task keeps no handle of what it has deleted.
RECYCLE = const(1)

# Operations of ACKNOWLEDGE, for a console's driver: it has read Ctrl-C, so what follows is the
# prompt's; it writes.
HAND_OVER = const(1)
WRITE = const(2)

# What REPLACE is to do, in the first register: see `kernel/replace.py`.
LOAD = const(0)
SWAP = const(1)
ASK = const(2)
REVERT = const(3)
SETTLE = const(4)

# What a trap returns. 0 to 191 belong to the services: a message's operation, a reply's status.
OK = const(0)
OPERATIONS = const(192)
TIMEOUT = const(192)  # the deadline passed first
DEAD = const(193)  # the peer died, or the handle names an incarnation that has
NOTIFIED = const(194)  # recv: notification bits are in `task.bits()`
FULL = const(195)  # no room: in the mailbox, or in the table for what is copied or granted
UNKNOWN = const(196)  # a control trap names no task, or one in the wrong state
REFUSED = const(191)  # by convention a service's answer to an operation it does not offer

# Rights of a capability.
MAY_CALL = const(1)
MAY_SEND = const(2)
MAY_NOTIFY = const(4)
MAY_ACKNOWLEDGE = const(8)
MAY_CONTROL = const(16)
MAY_GRANT = const(32)  # to give it to others in a message, and to choose the badge of a copy
ALL_RIGHTS = const(0x7F)  # mint: those of the original
RIGHT_NAMES = ("call", "send", "notify", "acknowledge", "control", "grant")

# In the register of capabilities granted, beside a handle: to be accepted, to be granted.
ACCEPTING = const(1)
GRANTING = const(2)

# Task states.
DORMANT = const(0)  # never started, or stopped
READY = const(1)
RUNNING = const(2)
RECEIVING = const(3)
CALLING = const(4)  # the message waits at the server
SERVED = const(5)  # the server has received it and owes a reply
SENDING = const(6)  # blocked on a full mailbox
SLEEPING = const(7)
FAULTED = const(8)
ATTENDING = const(9)  # a hard driver waits for the hardware interrupt
# What the supervisor says of one that is down, in place of the kernel's state:
HELD = const(10)  # until it is released
DEGRADED = const(11)  # given up; the rest of the system goes on
# The kernel's again: what INSPECT says of one that ends, and of one that has given an order.
CLOSING = const(12)  # it has one more step, in which its `finally` blocks run
ORDERING = const(13)  # it waits until another has exchanged its code
LOADING = const(14)  # it has begun, and waits until another's module is loaded
# The supervisor's:
ENDED = const(15)  # it has ended, and its manifest has it not started again

# Fault kinds.
NO_FAULT = const(0)
EXCEPTION = const(1)
BUDGET = const(2)
MEMORY = const(3)
SYSCALL = const(4)
PROTOCOL = const(5)
HEARTBEAT = const(6)
STORM = const(7)
INJECTED = const(8)
RETURNED = const(9)  # `main` returned: a fault only where the manifest says permanent

# What ends a run of the board.
SUPERVISOR_DIED = const(1)
KILLS_CAUGHT = const(2)
WATCHDOG_FIRED = const(3)
GIVEN_UP = const(4)
NO_PROGRESS = const(5)
ORDERED = const(6)
DISORDER = const(7)
PROCESSOR_FAULT = const(8)

# Full mailbox policies.
FAIL = const(0)
BLOCK = const(1)
DROP_OLDEST = const(2)

# Bytes of a traceback that are kept, its end: some 16 frames.
FAULT_TEXT_BYTES = const(1024)

# Flags of a service, in its row of the system's table.
HARD = const(1)  # a driver that is resumed in the hardware interrupt
ASYNC = const(2)  # `main` is an `async def`

# Operation of a YIELD that says in the trace that a service is about to misbehave.
MARK = const(0xA5)

# Notification bits the kernel itself raises; a service's own start at bit 0, interrupt lines of
# a driver from bit 0 in manifest order.
FAULT_BIT = const(1 << 28)
# Of the console's line, and the port's: output that was held back may come, no input waits.
OUTPUT_BIT = const(1 << 27)
# Beside the line's own: the first frame of what waits is for the driver, the rest for a guest.
GUEST_BIT = const(1 << 26)

# Events of the trace.
EVENT_STEP = const(0)  # a task's step ended; the detail is its trap word without the handle
EVENT_ENTERED = const(1)  # the dispatcher began, on top of the task or of none
EVENT_INTERRUPT = const(2)  # a line fired; the detail is its index
EVENT_FAULT = const(3)  # the detail is the kind of fault
EVENT_STARTED = const(4)
EVENT_OVERRAN = const(5)  # a step was struck
