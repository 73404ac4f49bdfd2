"""The 1-Wire bus on a pin, as the `onewire` of MicroPython's own images.

Slots are made in C, with interrupts off for 70 us. `scan` takes 20 ms for each device.
"""

import _onewire

_ROM_BITS = 64


class OneWireError(Exception):
    """Nobody on the bus has answered a reset."""


class OneWire:
    """A bus; a device is named by the 8 bytes of its ROM: family, serial number, checksum."""

    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        """Take a `machine.Pin`. The line wants a resistor of 4.7 kohm to 3.3 V."""
        self.pin = pin
        pin.init(pin.OPEN_DRAIN, pin.PULL_UP)

    def reset(self, required=False):
        """Reset all devices; tell whether there are any, or raise OneWireError if `required`."""
        is_answered = _onewire.reset(self.pin)
        if required and not is_answered:
            raise OneWireError
        return is_answered

    def readbit(self):
        """Return the next bit."""
        return _onewire.readbit(self.pin)

    def readbyte(self):
        """Return the next byte."""
        return _onewire.readbyte(self.pin)

    def readinto(self, buf):
        """Fill a buffer with what comes next."""
        for place in range(len(buf)):
            buf[place] = _onewire.readbyte(self.pin)

    def writebit(self, value):
        """Write one bit."""
        _onewire.writebit(self.pin, value)

    def writebyte(self, value):
        """Write one byte."""
        _onewire.writebyte(self.pin, value)

    def write(self, buf):
        """Write a buffer."""
        for value in buf:
            _onewire.writebyte(self.pin, value)

    def select_rom(self, rom):
        """Reset, and speak to one device alone until the next reset."""
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        """Return the ROMs of all devices, each a bytearray, smallest bits first."""
        found = []
        rom, fork = self._next_rom(b"", 0)
        while rom is not None:
            found.append(rom)
            rom, fork = self._next_rom(rom, fork) if fork else (None, 0)
        return found

    def _next_rom(self, last, turn):
        """Return the ROM behind `last`, and its last fork where it took 0; None if nobody is.

        A fork is a bit, from 1, in which devices differ. At `turn` this one takes 1 (application
        note 187 of Maxim's, "1-Wire Search Algorithm").
        """
        if not self.reset():
            return None, 0
        self.writebyte(self.SEARCH_ROM)
        rom = bytearray(_ROM_BITS >> 3)
        fork = 0
        for place in range(_ROM_BITS):
            byte, shift = place >> 3, place & 7
            bit = self.readbit()
            if self.readbit():
                if bit:  # neither has anybody: who answered has gone
                    return None, 0
            elif not bit:
                bit = last[byte] >> shift & 1 if place + 1 < turn else int(place + 1 == turn)
                if not bit:
                    fork = place + 1
            self.writebit(bit)
            rom[byte] |= bit << shift
        return rom, fork

    def crc8(self, data):
        """Return the checksum of 1-Wire; 0 for data that end with their own."""
        return _onewire.crc8(data)
