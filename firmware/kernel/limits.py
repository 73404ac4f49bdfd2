"""Every bound of the kernel, with its unit and its reason."""

from micropython import const

# Task records: bounds the kernel's RAM (128 bytes each) and every scan over tasks.
TASKS_MAX = const(72)

# Priorities 0 (most important) to 7; 8 is the kernel's own loop and the guest.
PRIORITIES = const(8)
IDLE_PRIORITY = const(8)

# Slots of a task's table beyond its manifest's capabilities, for what it mints and is granted,
# where the manifest does not say.
FREE_SLOTS = const(0)

# Records of the trace ring, 8 bytes each.
TRACE_RECORDS = const(64)
TRACE_REPEATS_MAX = const(63)

# Message values: bytes of a str or bytes, items of a tuple; larger data belongs in a lease.
MESSAGE_BYTES_MAX = const(256)
MESSAGE_ITEMS_MAX = const(16)

# Bytes copied through a lease in one trap, which nothing preempts: 0.07 ms, or 0.2 ms between
# places that do not lie alike in their words.
LEASE_BYTES_MAX = const(4096)

# Times are microseconds modulo 2**30 (18 minutes), so that every one is a small int on the device.
# `now` is at or after `then` if (now - then) & TIME_HALF is 0: less than half the range ago. A
# longer timeout is served in pieces of FAR_PIECE_MS.
TIME_MASK = const(0x3FFFFFFF)
TIME_HALF = const(0x20000000)
FAR_PIECE_MS = const(268_000)
QUARTER_SHIFT = const(28)  # a quarter of the range of times: 268 s, more than FAR_PIECE_MS
QUARTER_MASK = const(3)

# A call without a timeout of its own: long enough for flash, short enough that a person
# watching sees an error and not a hang.
CALL_TIMEOUT_US = const(1_000_000)

# Loading a service's module, in its first step: 1 ms when frozen, up to 30 ms from a file system,
# and its first time with all that it imports.
LOAD_BUDGET_US = const(300_000)

# What a service may hand over to its next version, as bytes.
STATE_BYTES_MAX = const(4096)

# Over which a line's rate is judged.
RATE_WINDOW_US = const(1_000_000)

# Running beside equals before one of them may be resumed on top.
TIME_SLICE_US = const(20_000)

# The tick: looks at deadlines, budgets and slices while a task runs.
TICK_US = const(1_000)

# The heap's reserve: enough for a fault's record and traceback, and for a service to start.
RESERVE_BYTES = const(1024)

# From one look of the kernel at its own words to the next, where the board sleeps for less.
AUDIT_US = const(500_000)

# Samples of the heap, while the board idles: once much has been allocated, or after a pause that
# doubles from the first to the last while what lives grows by less than GROWTH_BYTES.
# SAMPLE_TIME_US is what one may take before it was seen: a collection with 150 KB of live objects,
# and counting the heap.
SAMPLE_FIRST_US = const(1_000_000)
SAMPLE_LAST_US = const(64_000_000)
GROWTH_BYTES = const(256)
SAMPLE_TIME_US = const(35_000)

# So much of a step may be collections that it is not charged for: one with 150 KB of live objects,
# and more. A service that fills the heap would else collect for ever.
COLLECTION_US = const(40_000)

# A struck task that still runs is struck again after this long.
STRIKE_AGAIN_US = const(2_000)

# One that has caught this many strikes in one step will catch all: the board resets. Strikes that
# nothing could catch, since the task is in one long C call, do not count.
STRIKES_MAX = const(10)

# Bytes of new names that a task may have MicroPython keep, from boot on: it keeps each for good.
# Code that is loaded is not counted, so an ordinary service makes none.
NAMES_BYTES_MAX = const(2048)

# How many of the newest faults are kept.
FAULTS_KEPT = const(4)

# The supervisor itself may fault this often in the window before the board resets.
SUPERVISOR_FAULTS_MAX = const(5)
SUPERVISOR_WINDOW_US = const(10_000_000)

# Where the heap is full as it starts it tries again after these pauses, each twice the last one:
# a guest that has filled the heap runs meanwhile. So many starts take less than the window.
HEAP_PAUSE_MS = const(50)
HEAP_PAUSE_MS_MAX = const(400)
