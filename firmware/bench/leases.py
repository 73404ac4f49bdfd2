"""1 KiB through a lease, on a running kernel with its tick, beside a plain copy of as much.

Between start and stop: `_CALLS` times `yield task.call_lending(server, READ, data, READABLE)` in
the client's loop; the server reads all of it with one `lease_read` and replies. The plain copy is
`into[:] = data` in a loop, both bytearrays.
"""

import gc
from time import ticks_diff, ticks_us

from bench.report import figure
from bench.stage import CALL_SERVER, Stage, row
from bulkhead import OK
from kernel.abi import READABLE
from micropython import const

_CALLS = const(200)
_BYTES = const(1024)
_READ = const(1)
_PRIORITY = const(4)


def server(task):
    """Read what every caller lends, and reply."""
    into = bytearray(_BYTES)
    yield task.recv()
    while True:
        yield task.lease_read(0, into)
        yield task.reply_recv(OK, None)


def measure():
    """Return (microseconds, bytes of heap) per call."""
    stage = Stage()
    result = [0.0, 0.0]

    def client(task):
        handle = task.cap("server")
        data = bytearray(_BYTES)
        yield task.sleep(1)
        start = ticks_us()
        for _ in range(_CALLS):
            yield task.call_lending(handle, _READ, data, READABLE)
        result[0] = ticks_diff(ticks_us(), start) / _CALLS
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(_CALLS):
            yield task.call_lending(handle, _READ, data, READABLE)
        result[1] = (gc.mem_alloc() - before) / _CALLS
        stage.finish()

    stage.perform([
        row("server", server, _PRIORITY),
        row("client", client, _PRIORITY, (CALL_SERVER,)),
    ])  # fmt: skip
    return result


def measure_slices():
    """Return the microseconds of one plain copy."""
    data = bytearray(_BYTES)
    into = bytearray(_BYTES)
    start = ticks_us()
    for _ in range(_CALLS):
        into[:] = data
    return ticks_diff(ticks_us(), start) / _CALLS


def main():
    """Measure."""
    microseconds, size = measure()
    figure("lease_copy_us", microseconds)
    figure("lease_copy_bytes", size)
    figure("slice_copy_us", measure_slices())
