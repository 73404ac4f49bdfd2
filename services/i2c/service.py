"""Driver of one I2C bus, at 400 kHz, or what the manifest says: `frequency_hz` under [config].

A call is one transaction, so what two clients say to two chips does not mix.
"""

from errno import ETIMEDOUT

from bulkhead import OK, REFUSED
from bulkhead_system import CONFIG, PINS
from machine import I2C, Pin
from micropython import const

from services.i2c.api import NO_ANSWER, READ, SCAN, STUCK, WRITE, WRITE_READ

_HZ = const(400_000)
_TIMEOUT_US = const(20_000)  # 200 bytes take 5 ms
_DATA_MAX = const(200)
_ADDRESS_MIN = const(0x08)
_ADDRESS_MAX = const(0x77)


def main(task):
    """Serve `api`."""
    sda, scl = list(dict(PINS)[task.name()])
    # Which of the two blocks a pin belongs to: RP2040 datasheet, 1.4.3.
    hertz = _HZ
    for name, pairs in CONFIG:
        if name == task.name():
            for key, value in pairs:
                hertz = value if key == "frequency_hz" else hertz
    bus = I2C(sda >> 1 & 1, sda=Pin(sda), scl=Pin(scl), freq=hertz, timeout=_TIMEOUT_US)
    operation = yield task.recv()
    while True:
        if operation == SCAN:
            status, value = scan(bus)
        else:
            status, value = transfer(bus, operation, task.arg)
        operation = yield task.reply_recv(status, value)


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
    try:
        if data is not None:
            bus.writeto(address, data, not count)
        return OK, bus.readfrom(address, count) if count else None
    except OSError as error:
        return STUCK if error.errno == ETIMEDOUT else NO_ANSWER, None


def parse(operation, arg):
    """Return the address, what to write, and how much to read; None if it is nonsense."""
    if type(arg) is not tuple or len(arg) != (3 if operation == WRITE_READ else 2):
        return None
    address = arg[0]
    data = None if operation == READ else arg[1]
    count = 0 if operation == WRITE else arg[-1]
    if operation not in (WRITE, READ, WRITE_READ) or type(address) is not int:
        return None
    if data is not None and (type(data) is not bytes or len(data) > _DATA_MAX):
        return None
    if type(count) is not int or not (operation == WRITE or 1 <= count <= _DATA_MAX):
        return None
    if (data is None and operation != READ) or not 0 <= address <= _ADDRESS_MAX:
        return None
    return address, data, count
