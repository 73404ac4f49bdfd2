"""Operations of the watchdog: a critical service reports that it gets on with its own work.

    yield task.send(task.cap("watchdog"), ALIVE)

A critical service whose manifest has `watchdog = ["send"]` has to report once in its period. One
that has not is judged by its traps: it makes one, or waits for messages.
"""

from micropython import const

ALIVE = const(1)  # send: the sender, known by its badge, has made progress
