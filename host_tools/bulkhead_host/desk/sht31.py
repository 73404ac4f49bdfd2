"""Sensirion's SHT31: temperature and humidity. Data sheet "SHT3x-DIS", version 7, chapter 4."""

from bulkhead_host.desk.buses import NO_BYTE, I2cDevice


def crc8(data: bytes) -> int:
    """Return the checksum of the chip: polynomial 0x31, from 0xFF (4.12)."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


class Sht31(I2cDevice):
    """The chip; `is_there` False unplugs it, `is_noisy` spoils its checksums."""

    def __init__(
        self, *, address: int = 0x44, celsius: float = 22.0, humidity: float = 50.0
    ) -> None:
        self.address = address
        self.celsius = celsius
        self.humidity = humidity
        self.is_noisy = False
        self._answer: list[int] = []

    def set(self, *, celsius: float | None = None, humidity: float | None = None) -> None:
        """Have other air around the chip: degrees Celsius, and percent of relative humidity."""
        self.celsius = self.celsius if celsius is None else celsius
        self.humidity = self.humidity if humidity is None else humidity

    def start(self, *, reads: bool) -> None:
        """Measure when the board begins to read: both values, each with its checksum."""
        self._answer = []
        if reads:
            for share in ((self.celsius + 45) / 175, self.humidity / 100):
                raw = round(min(max(share, 0), 1) * 65535).to_bytes(2, "big")
                self._answer += [*raw, crc8(raw) ^ self.is_noisy]

    def write(self, _byte: int) -> bool:
        """Take a command; all that measure are answered alike."""
        return True

    def read(self) -> int:
        """Return the next byte of the measurement."""
        return self._answer.pop(0) if self._answer else NO_BYTE
