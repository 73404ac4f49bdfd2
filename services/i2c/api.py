"""Operations of the i2c service, and a bus for drivers that know `machine.I2C`.

Data of a message are at most 200 bytes; TRANSFER lends more.
"""

from errno import EIO, ETIMEDOUT

from bulkhead import OK
from bulkhead.replay import Replay
from micropython import const

SCAN = const(1)  # -> OK, arg: the addresses that answer, as bytes
WRITE = const(2)  # arg: (address, data) -> OK; no data: does it answer
READ = const(3)  # arg: (address, count) -> OK, arg: data
WRITE_READ = const(4)  # arg: (address, data, count) -> OK, arg: data; no stop in between
# arg: (address, bytes to write, bytes to read), lent: READABLE and WRITABLE -> OK, lent: what was
TRANSFER = const(5)  # read, from its beginning on; TOO_LONG. One transaction, as WRITE_READ
NO_ANSWER = const(1)  # nobody has that address, or it did not take the data
STUCK = const(2)  # the bus does not become free
TOO_LONG = const(3)  # arg: how many bytes there may be in one transaction, at the bus's frequency

DATA_MAX = const(200)  # bytes in a message
TRANSFER_MAX = const(2048)  # bytes written and read by TRANSFER; fewer where the bus is slow
_READS = const(1)  # the lowest bit of the byte with the address: I2C specification, 3.1.10


class Bus:
    """What a driver takes for a `machine.I2C`, while `run` makes its transactions by calls.

        bus = Bus(task, task.cap("i2c"))
        bus.keep_time(mcp9808)  # the module, if it sleeps or looks at the time
        sensor = yield from bus.run(MCP9808, bus)
        celsius = yield from bus.run(lambda: sensor.temperature)

    How a function can wait for a call is told in `bulkhead.replay`. Errors are those of
    machine.I2C; ValueError says which limit was met. A read that goes on after a read, or after a
    write without a stop to another address, begins with a start of its own.
    """

    def __init__(self, task, i2c, replay=None):
        self.replay = Replay(task) if replay is None else replay
        self.replay.parts.append(self)
        self.run = self.replay.run
        self.keep_time = self.replay.keep_time
        self.keep_state = self.replay.keep_state
        self.i2c = i2c
        self.unstopped = None  # address and data of a write that was not stopped
        self.raw = None  # between start and stop: anything but None
        self.reading = None  # the address that is read from, after a start
        self.is_at_address = False

    def init(self, *_arguments, **_settings):
        """Leave pins and frequency to the manifest of i2c."""

    def deinit(self):
        """Leave the bus to others."""

    def writeto(self, address, data, stop=True):
        """Write; without stop it is the begin of what comes next. Return how many bytes."""
        return self.writevto(address, (data,), stop)

    def writevto(self, address, vector, stop=True):
        """Write several buffers as one, as `writeto`."""
        data = b"".join([bytes(one) for one in vector])
        if self.unstopped is not None and self.unstopped[0] == address:
            data, self.unstopped = self.unstopped[1] + data, None
        self.settle()
        if stop:
            self._move(address, data, 0)
        else:
            self.unstopped = (address, data)
        return len(data)

    def readfrom(self, address, count, _stop=True):
        """Read bytes."""
        data = None
        if self.unstopped is not None and self.unstopped[0] == address:
            data, self.unstopped = self.unstopped[1], None
        self.settle()
        return self._move(address, data, int(count))

    def readfrom_into(self, address, buffer, _stop=True):
        """Read into a buffer."""
        buffer[:] = self.readfrom(address, len(buffer))

    def readfrom_mem(self, address, register, count, *, addrsize=8):
        """Read from a register on."""
        self.settle()
        return self._move(address, _register(register, addrsize), int(count))

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        """Read from a register on into a buffer."""
        buffer[:] = self.readfrom_mem(address, register, len(buffer), addrsize=addrsize)

    def writeto_mem(self, address, register, data, *, addrsize=8):
        """Write from a register on."""
        self.settle()
        self._move(address, _register(register, addrsize) + bytes(data), 0)

    def scan(self):
        """Return the addresses that answer."""
        self.settle()
        return list(self._checked(self.replay.ask(self.i2c, SCAN)))

    # The primitives of machine.SoftI2C.

    def start(self):
        """Begin a transaction, or its second half."""
        self.raw = True
        self.is_at_address = True

    def write(self, data):
        """Write bytes, the address and the direction first; return how many were acknowledged."""
        if self.raw is None:
            raise ValueError("write without start")
        data = bytes(data)
        if self.is_at_address and data:
            self.is_at_address = False
            self.reading = data[0] >> 1 if data[0] & _READS else None
            if self.reading is None:
                self.unstopped = (data[0] >> 1, b"")
            data_behind = data[1:]
        else:
            data_behind = data
        if data_behind:
            if self.unstopped is None:
                raise ValueError("write to what is being read")
            self.unstopped = (self.unstopped[0], self.unstopped[1] + data_behind)
        return len(data)

    def readinto(self, buffer, nack=True):
        """Read bytes of the address that was written: all of a transaction at once."""
        if not nack:
            raise ValueError("readinto goes on after nack=False: read all bytes at once")
        if self.raw is None or self.reading is None:
            raise ValueError("readinto without start and an address")
        buffer[:] = self.readfrom(self.reading, len(buffer))

    def stop(self):
        """End a transaction."""
        self.raw = self.reading = None
        self.settle()

    # For `Replay`.

    def begin(self):
        """Begin again: nothing is half done."""
        self.unstopped = None
        self.raw = self.reading = None
        self.is_at_address = False

    def settle(self):
        """Make the write that was not stopped."""
        if self.unstopped is not None:
            (address, data), self.unstopped = self.unstopped, None
            self._move(address, data, 0)

    def _move(self, address, data, count):
        """Make one transaction; `data` is None for a read alone."""
        if not 0 <= address <= 0x77:
            raise OSError(EIO)  # as machine.I2C says of an address that nobody can have
        written = b"" if data is None else data
        longest = max(len(written), count)
        if longest <= DATA_MAX:
            if not count:
                if data is not None:
                    self._checked((self.replay.post(self.i2c, WRITE, (address, written)), None))
                return b""
            if written:
                return self._call(WRITE_READ, (address, written, count))
            return self._call(READ, (address, count))
        total = len(written) + count
        if total > TRANSFER_MAX:
            raise ValueError(_too_long(TRANSFER_MAX, total))
        lent = written + bytes(max(count - len(written), 0))
        asked = self.replay.ask(self.i2c, TRANSFER, (address, len(written), count), lent)
        if asked[0] == TOO_LONG:
            raise ValueError(_too_long(asked[1], total))
        return self._checked(asked)[:count]

    def _call(self, operation, arg):
        return self._checked(self.replay.ask(self.i2c, operation, arg))

    def _checked(self, asked):
        status, value = asked
        if status != OK:
            raise OSError(ETIMEDOUT if status == STUCK else EIO)
        return value


def _register(register, addrsize):
    return register.to_bytes(addrsize >> 3, "big")


def _too_long(most, total):
    return "i2c moves %d bytes at most in one transaction, and these are %d" % (most, total)
