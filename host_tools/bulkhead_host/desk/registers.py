"""The way most chips on I2C speak: a register's number, then its bytes, one after the other."""

from bulkhead_host.desk.buses import I2cDevice


class Registers(I2cDevice):
    """A chip of 256 registers. The first byte of a write is the register that comes next.

    A register has `width` bytes, which stand in `self.registers` one after the other. A subclass
    looks at them in `loaded(first)`, before the board reads them from that register on, and in
    `stored(register, byte)`, after the board has written a byte.
    """

    def __init__(self, address: int, *, width: int = 1) -> None:
        self.address = address
        self.registers = bytearray(256 * width)
        self._width = width
        self._at = 0
        self._names_register = False

    def loaded(self, first: int) -> None:
        """Bring the registers up to date: the board is about to read them from `first` on."""

    def stored(self, register: int, byte: int) -> None:
        """Do what a register that the board has written means."""

    def start(self, *, reads: bool) -> None:
        """Take a start condition: after one for writing comes a register's number."""
        self._names_register = not reads
        if reads:
            self.loaded(self._at // self._width)

    def write(self, byte: int) -> bool:
        """Take the register's number, or a byte for it."""
        if self._names_register:
            self._at = byte * self._width
            self._names_register = False
            return True
        self.registers[self._at] = byte
        self.stored(self._at // self._width, byte)
        self._at = (self._at + 1) % len(self.registers)
        return True

    def read(self) -> int:
        """Return the next register's byte."""
        byte = self.registers[self._at]
        self._at = (self._at + 1) % len(self.registers)
        return byte
