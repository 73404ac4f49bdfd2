"""Where the kernel keeps its words.

All state that a hot path touches is one array of 32-bit words, so that a function compiled by
the viper emitter reads and writes it in a few cycles and allocates nothing. A task is the offset
of its record in that array; record 0 is the kernel's own and holds the globals. Every word is
non-negative: the same code runs on 32- and 64-bit machines and on CPython.
"""

from micropython import const

RECORD_SHIFT = const(5)
RECORD = const(1 << 5)

# --- a task's record ---------------------------------------------------------------------
# scheduling
PRIORITY = const(0)  # effective: raised by waiting callers
BASE = const(1)  # from the manifest
STATE = const(2)
NEXT = const(3)  # next in the one queue the task is in: ready, or a server's senders
RESULT = const(4)  # what the next resume sends into the generator
# messages
PEER = const(5)  # the server waited for
SENDERS = const(6)  # first caller not yet received, most important first
CLIENTS = const(7)  # callers queued or being served
SERVING = const(8)  # token of the caller received last, 0 for none
SEQUENCE = const(9)  # of the task's own calls: tells a late reply from a timely one
OPERATION = const(10)  # of the call on its way
BADGE = const(11)
PENDING = const(12)  # notification bits not yet received
# time
DEADLINE = const(13)
TIMED_WAIT = const(14)  # 1 while DEADLINE counts
FAR_MS = const(15)  # what of a long timeout lies beyond DEADLINE, in milliseconds
BUDGET_US = const(16)
CPU_US = const(17)
STEPS = const(18)
# identity
GENERATION = const(19)
CAPABILITIES = const(20)  # offset of the table
CAPABILITY_COUNT = const(21)
FAULT = const(22)  # kind of the last one
UNREPORTED = const(23)  # 1 until the supervisor has taken the fault
# mailbox
MAILBOX = const(24)  # offset of its words, 0 for none
MAIL_COUNT = const(25)
DROPPED = const(26)
# registers: the task's own window, `Frame.registers`; the kernel trusts none of it
REGISTERS = const(27)
REGISTER_TIMEOUT = const(27)  # in: timeout in ms, or the caller to reply to
REGISTER_CALLER = const(28)  # out: token of the caller, 0 for a message that wants no reply
REGISTER_BADGE = const(29)  # out
REGISTER_BITS = const(30)  # out: notification bits
REGISTERS_END = const(31)
DOOMED = const(31)  # to be faulted with this kind as soon as it is not preempted any more

# --- record 0: the kernel ----------------------------------------------------------------
# Word 0 is its PRIORITY, 8: everything is more important than the kernel's own loop.
READY_BITS = const(1)  # bit p: the ready queue of priority p is not empty
RUNNING_TASK = const(2)  # resumed last, at the innermost level
ARMED = const(3)  # 1 while RUNNING_TASK runs: the tick may strike
STEP_DEADLINE = const(4)
STRUCK = const(5)  # strikes injected and not yet landed
STOPPED = const(6)  # 1: the dispatcher is to return at the main level
SLICE_END = const(7)
OUTER = const(8)  # the preempted task while the interrupt level runs, else 0
NEXT_DEADLINE = const(9)  # no timed wait ends before this
DEADLINES = const(10)  # 1 while NEXT_DEADLINE counts
IRQ_PENDING = const(11)  # 1 when a line has fired since the last look
SCHEDULED = const(12)  # 1 while the entry to the interrupt level is queued
HEADS = const(13)  # 8 words
TAILS = const(21)  # 8 words
TASKS_END = const(29)  # offset after the last record; the lines follow
LINES_END = const(30)
NOW = const(31)  # us, as of the last trap

# --- a line: one interrupt source --------------------------------------------------------
LINE = const(9)
LINE_OWNER = const(0)
LINE_BITS = const(1)
LINE_FIRED = const(2)  # set in interrupt context, cleared by the kernel
LINE_FIRED_AT = const(3)  # us
LINE_COUNT = const(4)
LINE_MASKED = const(5)  # 1 from firing to acknowledgement
LINE_WINDOW = const(6)  # start of the current rate window, us
LINE_IN_WINDOW = const(7)  # acknowledgements in it
LINE_RATE = const(8)  # most a second, from the manifest

# --- a capability: two words -------------------------------------------------------------
CAPABILITY = const(2)
TARGET = const(0)  # task or line offset, rights from bit 16
NAMED = const(1)  # generation of the target in bits 0-15, badge from bit 16
RIGHTS_SHIFT = const(16)
OFFSET_MASK = const(0xFFFF)
BADGE_SHIFT = const(16)
GENERATION_MASK = const(0xFFFF)

# --- a mailbox: header, then two words a message ---------------------------------------
MAIL_DEPTH = const(0)
MAIL_POLICY = const(1)
MAIL_FIRST = const(2)
MAIL_VALUES = const(3)  # index of its first value in the list `frames[0]`
MAIL_SLOTS = const(4)
MAIL = const(2)  # words a message
MAIL_OPERATION = const(0)
MAIL_BADGE = const(1)

# A caller token: sequence from bit 8, task number below.
TOKEN_SHIFT = const(8)
TOKEN_TASK = const(0xFF)
SEQUENCE_MASK = const(0xFFFFF)
