"""Operations of the logger service: levels to send with, and what the console calls."""

from micropython import const

# Sent, with a text of at most 200 characters; the badge tells the logger who sends.
DEBUG = const(1)
INFO = const(2)
WARNING = const(3)
ERROR = const(4)
LEVELS = "-DIWE"

# Called.
NEXT = const(10)  # -> OK, arg: (ms since boot, level, sender's task number, text); EMPTY
EMPTY = const(1)
