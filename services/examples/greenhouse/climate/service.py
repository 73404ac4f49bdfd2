"""Read an SHT31 by the i2c service: single shot, high repeatability, CRC checked."""

from bulkhead import DEAD, OK, REFUSED

from services.climate.api import NO_SENSOR, READ
from services.i2c.api import READ as I2C_READ
from services.i2c.api import WRITE as I2C_WRITE
from services.logger.api import WARNING

ADDRESS = 0x44
SINGLE_SHOT = b"\x24\x00"
TRIES = 3


def main(task):
    """Serve `api`."""
    was_there = True
    while True:
        operation = yield task.recv()
        if operation != READ:
            yield task.reply(REFUSED)
            continue
        caller = task.caller()
        value = None
        for _ in range(TRIES):
            value = yield from measure(task)
            if value is not None:
                break
        if value is None:
            if was_there:
                yield task.send(task.cap("logger"), WARNING, "no climate sensor")
            was_there = False
            yield task.reply_to(caller, NO_SENSOR)
        else:
            was_there = True
            yield task.reply_to(caller, OK, value)


def measure(task):
    """Return (centi-degrees, per mille), None when the chip did not say."""
    status = yield from ask(task, I2C_WRITE, (ADDRESS, SINGLE_SHOT))
    if status != OK:
        return None
    yield task.sleep(16)
    status = yield from ask(task, I2C_READ, (ADDRESS, 6))
    if status != OK:
        return None
    data = task.arg
    if crc8(data[0:2]) != data[2] or crc8(data[3:5]) != data[5]:
        return None
    t = data[0] << 8 | data[1]
    h = data[3] << 8 | data[4]
    return (-4500 + 17500 * t // 65535, 1000 * h // 65535)


def ask(task, operation, arg):
    """Call the bus's driver, once more if it has just been started again."""
    i2c = task.cap("i2c")
    status = yield task.call(i2c, operation, arg)
    if status == DEAD and (yield task.reopen(i2c)) == OK:
        status = yield task.call(i2c, operation, arg)
    return status


def crc8(data):
    """Return the checksum of two bytes: polynomial 0x31, from 0xFF, SHT3x data sheet 4.12."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc
