"""What a call of another board's service may be answered, beside what that service answers.

    soil = task.cap("garden:soil")
    status = yield task.call(soil, READ, None, 5000)

Operations and statuses are those of the service there, which the manifest names: `"garden:soil" =
["call"]` under [uses]. An argument and what comes with the answer are a message's values, 200
bytes at most; nothing is lent or granted. A board that is reset, and a service that was started
again, are called as before: no capability dies of it.
"""

from micropython import const

GONE = const(190)  # it was not called: the board is away, refuses, or has no such service
UNANSWERED = const(189)  # whether it was called is not known; it failed, or the board went away
BUSY = const(188)  # CALLS_MAX calls wait for that board

CALLS_MAX = const(4)  # to one board, of all services of this
VALUE_BYTES_MAX = const(200)  # of an argument
