"""Operations of the i2c service, and a bus for drivers that know `machine.I2C`.

Data are bytes, at most 200 at a time.
"""

from errno import EIO, ETIMEDOUT

from bulkhead import DEAD, OK
from micropython import const

SCAN = const(1)  # -> OK, arg: the addresses that answer, as bytes
WRITE = const(2)  # arg: (address, data) -> OK
READ = const(3)  # arg: (address, count) -> OK, arg: data
WRITE_READ = const(4)  # arg: (address, data, count) -> OK, arg: data; no stop in between
NO_ANSWER = const(1)  # nobody has that address, or it did not take the data
STUCK = const(2)  # the bus does not become free


class _Pending(BaseException):
    """A transaction has to be made before the driver can go on; no driver catches it."""


class Bus:
    """What a driver takes for a `machine.I2C`, while `run` makes its transactions by calls.

        bus = Bus(task, task.cap("i2c"))
        sensor = yield from bus.run(MCP9808, bus)
        celsius = yield from bus.run(lambda: sensor.temperature)

    A function cannot wait for a call. So `run` runs it up to a transaction that has not been made,
    makes that, and runs it again from its start with the results there are, until it returns: each
    transaction is made once, all else as often. It has to ask for the same the second time, so it
    must not look at the time; what it sleeps it sleeps each time. Errors are those of machine.I2C.
    """

    def __init__(self, task, i2c):
        self.task = task
        self.i2c = i2c
        self.made = []  # what was asked for, and the status and the value that came
        self.at = 0
        self.wanted = None
        self.unstopped = b""

    def run(self, function, *arguments):
        """Return what a function does that uses this bus."""
        self.made = []
        while True:
            self.at = 0
            self.unstopped = b""
            try:
                return function(*arguments)
            except _Pending:
                pass
            status = yield self.task.call(self.i2c, *self.wanted)
            self.made.append((self.wanted, status, self.task.arg))
            if status == DEAD:
                yield self.task.reopen(self.i2c)

    def writeto(self, address, data, stop=True):
        """Write; without stop it is the begin of the reading that comes next."""
        if stop:
            self._make(WRITE, (address, bytes(data)))
        else:
            self.unstopped = bytes(data)
        return len(data)

    def readfrom(self, address, count, _stop=True):
        """Read bytes."""
        data, self.unstopped = self.unstopped, b""
        if data:
            return self._make(WRITE_READ, (address, data, count))
        return self._make(READ, (address, count))

    def readfrom_into(self, address, buffer, _stop=True):
        """Read into a buffer."""
        buffer[:] = self.readfrom(address, len(buffer))

    def readfrom_mem(self, address, register, count, *, addrsize=8):
        """Read from a register on."""
        return self._make(WRITE_READ, (address, register.to_bytes(addrsize >> 3, "big"), count))

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        """Read from a register on into a buffer."""
        buffer[:] = self.readfrom_mem(address, register, len(buffer), addrsize=addrsize)

    def writeto_mem(self, address, register, data, *, addrsize=8):
        """Write from a register on."""
        self._make(WRITE, (address, register.to_bytes(addrsize >> 3, "big") + bytes(data)))

    def scan(self):
        """Return the addresses that answer."""
        return list(self._make(SCAN, None))

    def _make(self, operation, arg):
        wanted = (operation, arg)
        if self.at == len(self.made):
            self.wanted = wanted
            raise _Pending
        asked, status, value = self.made[self.at]
        self.at += 1
        if asked != wanted:
            raise ValueError("the driver asked for something else when it was run again")
        if status != OK:
            raise OSError(ETIMEDOUT if status == STUCK else EIO)
        return value
