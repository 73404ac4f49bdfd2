"""A message through a mailbox, on a running kernel with its tick.

Between start and stop: `_MESSAGES` times `yield task.send(server, NEWS, number)` in the sender's
loop, and as many `yield task.recv()` in the receiver's, to the last message's receipt. Both are at
the same priority; the mailbox holds eight and blocks the sender when it is full, so the sender
fills it, the receiver empties it, and so on.
"""

import gc
from time import ticks_diff, ticks_us

from bench.report import figure
from bench.stage import SEND_SERVER, Stage, row
from kernel.abi import BLOCK
from micropython import const

_MESSAGES = const(500)
_NEWS = const(1)
_PRIORITY = const(4)
_DEPTH = const(8)


def measure():
    """Return (microseconds, bytes of heap) per message."""
    stage = Stage()
    result = [0.0, 0.0]

    def receiver(task):
        yield task.recv()
        start = ticks_us()
        for _ in range(_MESSAGES):
            yield task.recv()
        result[0] = ticks_diff(ticks_us(), start) / _MESSAGES
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(_MESSAGES):
            yield task.recv()
        result[1] = (gc.mem_alloc() - before) / _MESSAGES
        stage.finish()

    def sender(task):
        handle = task.cap("server")
        for number in range(2 * _MESSAGES + 1):
            yield task.send(handle, _NEWS, number)
        yield task.recv()

    stage.perform([
        row("server", receiver, _PRIORITY, mailbox=(_DEPTH, BLOCK)),
        row("sender", sender, _PRIORITY, (SEND_SERVER,)),
    ])  # fmt: skip
    return result


def main():
    """Measure."""
    microseconds, size = measure()
    figure("send_recv_us", microseconds)
    figure("send_recv_bytes", size)
