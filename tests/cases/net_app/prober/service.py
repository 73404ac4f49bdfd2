"""Ask net for what the test asks for."""

from bulkhead import NOTIFIED, OK, REFUSED
from kernel.abi import READABLE, WRITABLE
from micropython import const

from services.net.api import READ, WRITE, Stream
from services.prober.api import CRASH, FETCH, HOARD, NOTES, RELAY

_KEPT_BYTES = const(160)


def main(task):
    """Serve `api`."""
    net = task.cap("net")
    notes = 0
    kept = [None]
    while True:
        operation = yield task.recv()
        arg, token = task.arg, task.caller()
        if operation == NOTIFIED:
            notes |= task.bits()
            continue
        if operation == CRASH:
            raise ValueError("as it was told")
        status, value = REFUSED, None
        if operation == RELAY:
            status, value = OK, flat((yield from relay(task, net, *unpacked(arg))))
        elif operation == NOTES:
            status, value, notes = OK, notes, 0
        elif operation == FETCH:
            status, value = OK, (yield from fetch(task, net, *arg))
        elif operation == HOARD:
            status, kept[0] = OK, hoard(arg) if arg else None
        yield task.reply_to(token, status, value)


def hoard(spared_kb):
    """Return what has taken the heap but for so many KB, in pieces of one."""
    hoarded = spared = None
    for _ in range(spared_kb):
        spared = spared, bytearray(1024)
    try:
        while True:
            hoarded = hoarded, bytearray(1024)
    except MemoryError:
        return hoarded


def unpacked(arg):
    """Return an operation and its argument: a message holds no tuple within a tuple."""
    return arg[0], arg[2:] if arg[1] else arg[2]


def flat(answer):
    """Return a status and a value, whether that is a tuple, and what it is made of."""
    status, value = answer
    is_tuple = type(value) is tuple
    return (status, is_tuple) + (value if is_tuple else (value,))


def relay(task, net, operation, arg):
    """Call net; what READ brings, and WRITE takes, is in the value."""
    if operation == READ:
        buffer = bytearray(100)
        status = yield task.call_lending(net, READ, buffer, WRITABLE, arg)
        return status, bytes(buffer[: task.arg]) if status == OK else task.arg
    if operation == WRITE:
        socket, data = arg
        status = yield task.call_lending(net, WRITE, data, READABLE, (socket, len(data)))
        return status, task.arg
    status = yield task.call(net, operation, arg, 5000)
    return status, task.arg


def fetch(task, net, host, port, data):
    """Connect, write, and read to the end; the last that came is kept."""
    stream = Stream(task, net)
    status = yield from stream.connect(host, port)
    got = b""
    if status == OK:
        status = yield from stream.write(data)
    buffer = bytearray(64)
    while status == OK:
        status = yield from stream.read(buffer)
        got = (got + buffer[: stream.count])[-_KEPT_BYTES:]
    yield from stream.close()
    return status, got
