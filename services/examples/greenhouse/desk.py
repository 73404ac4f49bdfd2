"""What is around the greenhouse's board: an SHT31, a moisture probe, a display, switches."""

from bulkhead_host.emulator.serial_peer import SerialPeer

SHT31_ADDRESS = 0x44
PUMP, POWER, FLOAT, BUTTON, FAN = 17, 16, 14, 15, 6  # GPIO


def crc8(data):
    """Return the SHT31's checksum: polynomial 0x31, from 0xFF (data sheet, 4.12)."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


class Sht31:
    """The chip that tells temperature and humidity; `is_there` and `is_noisy` break it."""

    def __init__(self, bus):
        self.celsius, self.humidity = 22.0, 0.5
        self.is_there = True
        self.is_noisy = False
        self._bus = bus
        self._answer = []
        bus.on_connect = self._connect
        bus.on_write_byte = lambda _value: bus.complete_write(True)
        bus.on_read_byte = self._read
        bus.on_stop = bus.complete_stop

    def _connect(self, address, _mode):
        is_meant = address == SHT31_ADDRESS and self.is_there
        if is_meant:
            self._answer = []
            for raw in ((self.celsius + 45) / 175, self.humidity):
                data = round(raw * 65535).to_bytes(2, "big")
                self._answer += [*data, crc8(data) ^ self.is_noisy]
        self._bus.complete_connect(is_meant)

    def _read(self, _ack):
        self._bus.complete_read(self._answer.pop(0) if self._answer else 0xFF)


class Garden:
    """A board with all that; the soil is moist, the tank full."""

    def __init__(self, board):
        self.board = board
        self.sht31 = Sht31(board.emulator.chip.mcu.i2c[0])
        self.display = SerialPeer(board.emulator, number=0, baudrate=115_200)
        self.moisten(0.6)

    def moisten(self, moisture):
        """Have the probe say that the soil is so moist, from 0 to 1."""
        self.board.emulator.set_adc_volts(0, 2.6 - moisture * 1.5)

    def empty_tank(self):
        """Close the float's switch."""
        self.board.pin(FLOAT).drive(0)

    def fill_tank(self):
        """Open it."""
        self.board.pin(FLOAT).release()

    def waters(self):
        """Tell whether the pump has power, and runs."""
        return bool(self.board.pin(PUMP).level and self.board.pin(POWER).level)

    def shown(self):
        """Return the rows of the display."""
        rows = {}
        for piece in bytes(self.display.got).split(b"\x1b")[1:]:
            if piece.endswith(b"\n"):
                rows[int(piece[:1])] = piece[1:-1].decode().rstrip()
        return rows
