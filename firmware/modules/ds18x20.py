"""Thermometers DS18S20, DS1822 and DS18B20, as the `ds18x20` of MicroPython's own images."""

from micropython import const

_CONVERT = const(0x44)
_READ_SCRATCHPAD = const(0xBE)
_WRITE_SCRATCHPAD = const(0x4E)
# The first byte of a ROM says which chip it is.
_DS18S20 = const(0x10)
_DS1822 = const(0x22)
_DS18B20 = const(0x28)
# Where in the scratchpad of a DS18S20 its counter stands: datasheet, "Operation".
_COUNT_REMAIN = const(6)
_COUNT_PER_C = const(7)


class DS18X20:
    """The thermometers on a bus: `convert_temp`, wait 750 ms, then `read_temp` of each."""

    def __init__(self, onewire):
        """Take an `onewire.OneWire`."""
        self.ow = onewire
        self.buf = bytearray(9)

    def scan(self):
        """Return the ROMs of the thermometers on the bus."""
        return [rom for rom in self.ow.scan() if rom[0] in (_DS18S20, _DS1822, _DS18B20)]

    def convert_temp(self):
        """Have all thermometers measure; raise OneWireError if there is nobody."""
        bus = self.ow
        bus.reset(True)
        bus.writebyte(bus.SKIP_ROM)
        bus.writebyte(_CONVERT)

    def read_scratch(self, rom):
        """Return the 9 bytes of a thermometer's scratchpad, in a buffer that is used again.

        Raises OneWireError if there is nobody, Exception if the checksum is wrong.
        """
        self._select(rom, _READ_SCRATCHPAD)
        self.ow.readinto(self.buf)
        if self.ow.crc8(self.buf):
            raise Exception("CRC error")
        return self.buf

    def write_scratch(self, rom, buf):
        """Write the alarms' bytes and, but for a DS18S20, the configuration."""
        self._select(rom, _WRITE_SCRATCHPAD)
        self.ow.write(buf)

    def read_temp(self, rom):
        """Return what a thermometer has measured, in degrees Celsius."""
        data = self.read_scratch(rom)
        raw = data[1] << 8 | data[0]
        if raw & 0x8000:
            raw -= 0x10000
        if rom[0] != _DS18S20:
            return raw / 16
        per_degree = data[_COUNT_PER_C]
        return (raw >> 1) - 0.25 + (per_degree - data[_COUNT_REMAIN]) / per_degree

    def _select(self, rom, command):
        self.ow.reset(True)
        self.ow.select_rom(rom)
        self.ow.writebyte(command)
