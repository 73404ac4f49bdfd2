"""Driver of one I2C bus, at 400 kHz, or what the manifest says: `frequency_hz` under [config].

A call is one transaction, so what two clients say to two chips does not mix.
"""

from errno import ETIMEDOUT

from bulkhead import OK, REFUSED
from bulkhead_system import CONFIG, PINS
from machine import I2C, Pin
from micropython import const

from services.i2c.api import (
    DATA_MAX,
    NO_ANSWER,
    READ,
    SCAN,
    STUCK,
    TOO_LONG,
    TRANSFER,
    TRANSFER_MAX,
    WRITE,
    WRITE_READ,
)

_HZ = const(400_000)
_TIMEOUT_US = const(20_000)  # 200 bytes take 5 ms
_LONG_TIMEOUT_US = const(120_000)
_LONG_MS = const(100)  # what a transaction may take: it is one C call, which nothing ends
_BITS = const(9)  # of a byte on the bus
_ADDRESS_MIN = const(0x08)
_ADDRESS_MAX = const(0x77)


class Wires:
    """The bus, whose time for a transaction is set by making it again."""

    def __init__(self, pins, hertz):
        sda, scl = pins
        self.block = sda >> 1 & 1  # to which a pin belongs: RP2040 datasheet, 1.4.3
        self.pins = sda, scl
        self.hertz = hertz
        self.most = min(TRANSFER_MAX, hertz * _LONG_MS // (1000 * _BITS))

    def bus(self, timeout_us=_TIMEOUT_US):
        """Return the bus, for transactions of that time at most."""
        sda, scl = self.pins
        return I2C(self.block, sda=Pin(sda), scl=Pin(scl), freq=self.hertz, timeout=timeout_us)


def main(task):
    """Serve `api`."""
    wires = Wires(list(dict(PINS)[task.name()]), frequency(task.name()))
    bus = wires.bus()
    operation = yield task.recv()
    while True:
        if operation == SCAN:
            status, value = scan(bus)
        elif operation == TRANSFER:
            status, value = yield from transfer_lent(task, wires)
            bus = wires.bus()
        else:
            status, value = transfer(bus, operation, task.arg)
        operation = yield task.reply_recv(status, value)


def frequency(service):
    """Return what the manifest says."""
    hertz = _HZ
    for name, pairs in CONFIG:
        if name == service:
            for key, value in pairs:
                hertz = value if key == "frequency_hz" else hertz
    return hertz


def transfer_lent(task, wires):
    """Do one transaction with what the caller has lent; return the status and the value."""
    request = task.arg
    if not is_transfer(request):
        return REFUSED, None
    address, written, count = request
    if written + count > wires.most:
        return TOO_LONG, wires.most
    data = bytearray(written)
    if written and ((yield task.lease_read(0, data)) != OK or task.count() != written):
        return REFUSED, None
    try:
        bus = wires.bus(_LONG_TIMEOUT_US)
        if written:
            bus.writeto(address, data, not count)
        came = bus.readfrom(address, count) if count else b""
    except OSError as error:
        return failure(error), None
    if count and ((yield task.lease_write(0, came)) != OK or task.count() != count):
        return REFUSED, None
    return OK, None


def is_transfer(request):
    """Tell whether a value is what TRANSFER takes."""
    if type(request) is not tuple or [type(one) for one in request] != [int, int, int]:
        return False
    address, written, count = request
    return 0 <= address <= _ADDRESS_MAX and written >= 0 and count >= 0 and written + count > 0


def failure(error):
    """Return the status that an error of the bus is."""
    return STUCK if error.errno == ETIMEDOUT else NO_ANSWER


def scan(bus):
    """Return the status and the addresses that answer to being read, but for reserved ones.

    MicroPython's own `scan` writes no bytes, which the chip's I2C block cannot do.
    """
    found = bytearray()
    for address in range(_ADDRESS_MIN, _ADDRESS_MAX + 1):
        status, _ = transfer(bus, READ, (address, 1))
        if status == OK:
            found.append(address)
        elif status == STUCK:
            return STUCK, None
    return OK, bytes(found)


def transfer(bus, operation, arg):
    """Do one transaction; return the status and the value of the reply."""
    request = parse(operation, arg)
    if request is None:
        return REFUSED, None
    address, data, count = request
    if operation == WRITE and not data:  # as `scan` asks
        status, _ = transfer(bus, READ, (address, 1))
        return status, None
    try:
        if data is not None:
            bus.writeto(address, data, not count)
        return OK, bus.readfrom(address, count) if count else None
    except OSError as error:
        return failure(error), None


def parse(operation, arg):
    """Return the address, what to write, and how much to read; None if it is nonsense."""
    if type(arg) is not tuple or len(arg) != (3 if operation == WRITE_READ else 2):
        return None
    address = arg[0]
    data = None if operation == READ else arg[1]
    count = 0 if operation == WRITE else arg[-1]
    if operation not in (WRITE, READ, WRITE_READ) or type(address) is not int:
        return None
    if data is not None and (type(data) is not bytes or len(data) > DATA_MAX):
        return None
    if type(count) is not int or not (operation == WRITE or 1 <= count <= DATA_MAX):
        return None
    if (data is None and operation != READ) or not 0 <= address <= _ADDRESS_MAX:
        return None
    return address, data, count
