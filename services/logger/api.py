"""Operations of the logger service: levels to send with, and what readers of the log call."""

from micropython import const

# Sent, with a text of at most 200 characters; the badge tells the logger who sends.
DEBUG = const(1)
INFO = const(2)
WARNING = const(3)
ERROR = const(4)
LEVELS = "-DIWE"

# Called. Each reader gets every record but its own, and the count of those it was too late for.
NEXT = const(10)  # -> OK, arg: (ms since boot, level, sender's task number, text); EMPTY
EMPTY = const(1)
KEEP = const(11)  # arg: (task number or 0 for all, least level that is kept) -> OK
AFTER = const(12)  # arg: number -> OK, arg: (number, ms, level, task number, text); EMPTY
#                    It is the first kept record with a greater number, whoever has seen it

READERS_MAX = const(4)  # the console and the journal are two


def line(ms, level, name, text):
    """Return a record as a line of text, without its end."""
    return "%5d.%03d %s %s: %s" % (ms // 1000, ms % 1000, LEVELS[level], name, text)


def line_of(record, services):
    """Return the line of what NEXT gave; `services` is the system's table.

    What the console has sent are the supervisor's events: that sends to nobody.
    """
    ms, level, number, text = record
    name = services[number - 1][0] if number else "logger"
    return line(ms, level, "supervisor" if name == "console" else name, text)
