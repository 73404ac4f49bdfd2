"""A task of a few lines that makes the calls of drivers, to chips that are made up here."""

from bulkhead import DEAD, OK
from services.gpio import api as gpio
from services.i2c import api as i2c
from services.spi import api as spi

I2C, SPI, GPIO = 1, 2, 3  # handles


class World:
    """The task that a driver's calls are made by, and what is at the other end of them.

    `chips` are those on the I2C bus by address; each has `written(data)` and `read(count)`.
    """

    def __init__(self, **chips):
        self.chips = {int(name[1:], 16): chip for name, chip in chips.items()}
        self.arg = None
        self.log = []  # every call, sleep and level, in order
        self.levels = {}
        self.most = i2c.TRANSFER_MAX
        self.is_dead = False
        self.came = b""  # what SPI chips say next

    # What a task has.

    def call(self, handle, operation, arg=None):
        return ("call", handle, operation, arg, None)

    def call_lending(self, handle, operation, buffer, _rights, arg=None):
        return ("call", handle, operation, arg, buffer)

    def sleep(self, milliseconds):
        return ("sleep", milliseconds)

    def reopen(self, handle):
        return ("reopen", handle)

    # Who makes it go.

    def finish(self, steps):
        """Do what a generator asks until it ends; return what it returns."""
        answer = None
        while True:
            try:
                word = steps.send(answer)
            except StopIteration as end:
                return end.value
            answer = self.do(word)

    def do(self, word):
        if word[0] != "call":
            self.log.append(word)
            return OK
        _, handle, operation, arg, lent = word
        if self.is_dead:
            self.is_dead = False
            return DEAD
        server = {I2C: self.on_i2c, SPI: self.on_spi, GPIO: self.on_gpio}[handle]
        status, self.arg = server(operation, arg, lent)
        return status

    def on_i2c(self, operation, arg, lent):
        if operation == i2c.SCAN:
            return OK, bytes(sorted(self.chips))
        address, count = arg[0], 0
        data = b""
        if operation == i2c.TRANSFER:
            if arg[1] + arg[2] > self.most:
                return i2c.TOO_LONG, self.most
            data, count = bytes(lent[: arg[1]]), arg[2]
        elif operation == i2c.READ:
            count = arg[1]
        else:
            data, count = arg[1], arg[2] if len(arg) > 2 else 0
        assert type(count) is int and type(data) is bytes
        self.log.append(("i2c", address, data, count))
        if address not in self.chips:
            return i2c.NO_ANSWER, None
        chip = self.chips[address]
        if data:
            chip.written(data)
        came = chip.read(count) if count else None
        if operation == i2c.TRANSFER and count:
            lent[:count] = came
            return OK, None
        return OK, came

    def on_spi(self, operation, arg, lent):
        if operation == spi.SET_UP:
            self.log.append(("set up",) + arg)
            return OK, None
        chip, data, keep = arg
        data = bytes(lent) if operation == spi.TRANSFER_LENT else data
        self.log.append(("spi", chip, data, keep))
        came, self.came = self.came[: len(data)], self.came[len(data) :]
        came = came + bytes(len(data) - len(came))
        if operation == spi.TRANSFER_LENT:
            lent[:] = came
            return OK, None
        return OK, came

    def on_gpio(self, operation, arg, _lent):
        if operation == gpio.READ:
            return OK, self.levels.get(arg, 0)
        self.log.append((operation,) + arg)
        if operation == gpio.WRITE:
            self.levels[arg[0]] = arg[1]
        return OK, None


class Registers:
    """A chip of registers: the first byte written says which; `size` is what each has."""

    def __init__(self, values, size=1):
        self.values = dict(values)
        self.size = size
        self.register = 0
        self.writes = []

    def written(self, data):
        self.register = data[0]
        if len(data) > 1:
            self.writes.append((data[0], bytes(data[1:])))
            self.values[data[0]] = bytes(data[1:])

    def read(self, count):
        found = b""
        at = self.register & 0x7F if self.register not in self.values else self.register
        while len(found) < count:
            found += self.values.get(at, bytes(self.size))
            at += 1
        return found[:count]


class Commands:
    """A chip that is told what to say: answers by what was written."""

    def __init__(self, answers):
        self.answers = answers
        self.said = []
        self.last = b""

    def written(self, data):
        self.last = bytes(data)
        self.said.append(self.last)

    def read(self, count):
        found = self.answers.get(self.last, b"")
        return (found + b"\xff" * count)[:count]
