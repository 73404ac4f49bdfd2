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
PEER = const(5)  # the task waited for, which runs at this one's priority at least; 0 for none
SENDERS = const(6)  # first caller not yet received, most important first
CLIENTS = const(7)  # tasks whose PEER this one is
SERVING = const(8)  # token of the caller received last, 0 for none
SEQUENCE = const(9)  # of the task's own calls: tells a late reply from a timely one
OPERATION = const(10)  # of the send that blocks; of a call the whole trap word, until its end
BADGE = const(11)
PENDING = const(12)  # notification bits not yet received
# time
DEADLINE = const(13)
TIMED_WAIT = const(14)  # 1 while DEADLINE counts
FAR_MS = const(15)  # what of a long timeout lies beyond DEADLINE, in milliseconds
BUDGET_US = const(16)
CPU_US = const(17)
STEPS = const(18)
CPU_LIMIT = const(22)  # value of CPU_US at which this period's budget is used up
# identity
GENERATION = const(19)
CAPABILITIES = const(20)  # offset of the table
CAPABILITY_COUNT = const(21)
# mailbox
MAILBOX = const(24)  # offset of its words, 0 for none
MAIL_COUNT = const(25)
GRANTED = const(23)  # the capability that goes along with this task's call or reply
# registers: the task's own window, `Frame.registers`; the kernel trusts none of it
REGISTERS = const(26)
REGISTER_TIMEOUT = const(26)  # in: timeout in ms, or the caller to reply to
REGISTER_CALLER = const(27)  # out: token of the caller, 0 for a message that wants no reply
REGISTER_BADGE = const(28)  # out
REGISTER_BITS = const(29)  # out: notification bits; of a lease, in: offset, out: bytes copied
REGISTER_HANDLE = const(30)  # in: the capability to grant; out: the one that was granted
REGISTERS_END = const(31)
FRAME = const(31)  # address of its Frame where `frames` can look into it, else 0

# --- what of a task no hot path touches: at w[PARTICULARS] + (task >> PARTICULAR_SHIFT) ----
PARTICULAR_WORDS = const(8)
PARTICULAR_SHIFT = const(2)  # RECORD_SHIFT less the bits of PARTICULAR_WORDS
FAULT = const(0)  # kind of the last one
ENDING = const(1)  # how the end of an incarnation stands: the bits below
DROPPED = const(2)  # messages, by a full mailbox or a restart
PERIOD_MS = const(3)  # 0: only the step has a budget
PERIOD_BUDGET_US = const(4)
PERIOD_END_MS = const(5)  # of the port's uptime
QUOTA_BYTES = const(6)  # of heap; 0: none
USED_BYTES = const(7)  # as sampled
# What INSPECT gives of a task: its record, with NOW in the place of FRAME, its particulars, and
SAFE_SINCE = const(40)  # since when its outputs are held: ms of uptime plus 1, or DRIVEN
# of ENDING:
UNREPORTED = const(1)  # until the supervisor has taken the fault
LAST_STEP = const(2)  # one step is to come, or under way, in which it closes
AGAIN = const(4)  # after it the task starts again
FOR_GOOD = const(8)  # after it the task is dormant, and not faulted
KEPT_SAFE = const(16)  # its outputs are held until it starts anew, though it goes on
# of task 0: where values are kept, see `window`
ARG_KEY = const(0)
ARG_PLACE = const(1)
MAIL_ITEMS = const(2)
BUFFER_KEY = const(3)
BUFFER_PLACE = const(4)
BYTEARRAY = const(5)  # address of the type
BYTES = const(6)
QUARTERS = const(7)  # of the clock's range that are over since boot: see `timeouts.pass_quarters`

# --- record 0: the kernel ----------------------------------------------------------------
# Word 0 is its PRIORITY, 8: everything is more important than the kernel's own loop.
READY_BITS = const(1)  # bit p: the ready queue of priority p is not empty
RUNNING_TASK = const(2)  # resumed last, at the innermost level
ARMED = const(3)  # not 0 while RUNNING_TASK runs, so that the tick may strike:
RESUMED = const(1)  # its generator does
ANSWERED = const(2)  # what that has given is turned into a trap word
STEP_DEADLINE = const(4)
STRUCK = const(5)  # strikes injected and not yet landed
STOPPED = const(6)  # 1: the dispatcher is to return at the main level
SLICE_END = const(7)
OUTER = const(8)  # the preempted task while the interrupt level runs, else 0
NEXT_DEADLINE = const(9)  # no timed wait ends before this
DEADLINES = const(10)  # 1 while NEXT_DEADLINE counts
IRQ_PENDING = const(11)  # 1 when a line has fired since the last look
SCHEDULED = const(12)  # 1 while the entry to the interrupt level is queued
TAILS = const(13)  # 8 words: the last task of each queue, whose NEXT is the first
FLOOR = const(21)  # only what is more important than this is resumed
PARTICULARS = const(22)
TRACE_LAPS = const(23)  # times the trace ring was filled
TRACE_END = const(24)  # offset after the trace ring
CAPABILITIES_FROM = const(24)  # all tables of capabilities, one after the other, follow
TRACE_AT = const(25)  # offset of the newest record
CAPABILITIES_END = const(26)
SHARE_END = const(27)  # until when equals of OUTER, whose slice is used up, run on top of it
STEPPED = const(28)  # offset of a word for each task: us when its last step ended, or WAITED
TASKS_END = const(29)  # offset after the last record; the lines follow
LINES_END = const(30)
NOW = const(31)  # us, as of the last trap, plus what has run on top of the step since then
WAITED = const(0)  # it ended in a wait for messages

# --- a line: one interrupt source --------------------------------------------------------
LINE = const(15)
LINE_OWNER = const(0)
LINE_BITS = const(1)
LINE_RATE = const(2)  # most a second, from the manifest
LINE_MASKED = const(3)  # 0: not; FIRED, until acknowledged; QUIET: its owner has not begun
LINE_FIRED = const(4)  # set in interrupt context, cleared by the kernel
LINE_FIRED_AT = const(5)  # us
LINE_COUNT = const(6)
LINE_WINDOW = const(7)  # start of the current rate window, us
LINE_IN_WINDOW = const(8)  # acknowledgements in it
LINE_MASK_AT = const(9)  # the port's: what word to store where to mask the line
LINE_MASK_WITH = const(10)
LINE_BITS_AT = const(11)  # the port's: where its owner's REGISTER_BITS is
LINE_HARD = const(12)  # 1 while its owner attends
LINE_STEP_AT = const(13)  # us: when its owner's hard step began
LINE_PLACES = const(14)  # the port's: where the words are that all lines share
FIRED = const(1)
QUIET = const(2)

# --- notes left by hard steps, at LINES_END ----------------------------------------------
# A header, then, if there is a hard driver, two sets of a word of bits for each task.
POSTED = const(0)  # 1 when there are any
POST_SET = const(1)  # offset of the set that is written to, 0 without a hard driver
STACK = const(2)  # the port's: address of the words that share out the stack, 0 without
POST_WORDS = const(3)

# --- the stack: the port's words, at the address in STACK ---------------------------------
STACK_THREAD = const(0)  # address of MicroPython's state of the thread, `py/mpstate.h`
STACK_MOST = const(1)  # bytes that the interrupt level may use, whatever is below it
STACK_EACH = const(2)  # bytes for what the dispatcher resumes
STACK_SAVED = const(3)  # the limit of what is preempted
STACK_FULL = const(4)  # bytes there are
STACK_ENTRY_MOST = const(5)  # bytes in use, above which there is no room for the interrupt level
STACK_QUEUE = const(6)  # address of the byte that counts the interpreter's queue of callbacks
STACK_HARD = const(7)  # not 0 while code of a hard driver runs in an interrupt
STACK_WORDS = const(8)
# of the state of the thread: words
STACK_TOP = const(0)
STACK_LIMIT = const(1)  # bytes in use, at which a call raises
STACK_LOCKS = const(2)  # in its lower half: twice how often the heap is locked
STACK_LANDING = const(5)  # the newest place for an exception to land, which is on the stack

# --- a capability ------------------------------------------------------------------------
CAPABILITY_SHIFT = const(2)
CAPABILITY = const(1 << 2)
TARGET = const(0)  # task or line offset; rights from bit 16; generation of the slot from bit 23
NAMED = const(1)  # generation of the target in bits 0-15, badge from bit 16
PARENT = const(2)  # the capability it was derived from; 0: from the manifest, or a free slot
USES = const(3)  # traps through it
RIGHTS_SHIFT = const(16)
RIGHTS_MASK = const(0x7F)
SLOT_SHIFT = const(23)
OFFSET_MASK = const(0xFFFF)
BADGE_SHIFT = const(16)
BADGE_MAX = const(0x3FFF)
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

# --- a trace record ------------------------------------------------------------------------
TRACE_RECORD = const(2)
TRACE_TIME = const(0)  # us: when the step ended, or the event happened
TRACE_WHAT = const(1)  # detail in bits 0-12, task number, event, how often again from bit 24
TRACE_TASK_SHIFT = const(13)
TRACE_EVENT_SHIFT = const(20)
TRACE_REPEAT_SHIFT = const(24)

# --- a fault's record: see `records` -------------------------------------------------------
FAULT_WORDS = const(8)

# --- who has the main level, as `Port.set_guest` is told; 0 is the kernel's own loop --------
PROGRAM = const(1)  # a guest program
PROMPT = const(2)  # the REPL, or what was started there: console input is not for us

# A caller token: sequence from bit 8, task number below.
TOKEN_SHIFT = const(8)
TOKEN_TASK = const(0xFF)
SEQUENCE_MASK = const(0xFFFFF)

# --- since when a task's outputs are held in their safe state: ms of uptime, plus 1 ----------
DRIVEN = const(0)  # they are not: they are the task's own

# --- a row of the system's table, one row a service, task numbers from 1 in start order -----
ROW_NAME = const(0)
ROW_ENTRY = const(1)  # module path, or in tests the generator function itself
ROW_PRIORITY = const(2)
ROW_BUDGET_US = const(3)
ROW_MAILBOX = const(4)  # (depth, policy), or None
ROW_USES = const(5)  # ((handle name, target name, rights, badge), ...)
ROW_LINES = const(6)  # ((line name, source, argument, trigger, most a second), ...)
ROW_POLICY = const(7)  # the supervisor's, opaque to the kernel
ROW_OPTIONS = const(8)  # (period_us, budget a period us, quota bytes, free slots, HARD | ASYNC)
ROW_OUTPUTS = const(9)  # what `Port.outputs` takes, to make the task's outputs safe
