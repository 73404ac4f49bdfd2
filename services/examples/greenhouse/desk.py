"""What is around the greenhouse's board: an SHT31, a moisture probe, a display, switches."""

from bulkhead_host.desk import Sht31

PUMP, POWER, FLOAT, BUTTON, FAN, PROBE = 17, 16, 14, 15, 6, 26  # GPIO


class Garden:
    """A board with all that; the soil is moist, the tank full."""

    def __init__(self, desk):
        self.desk = desk
        self.sht31 = desk.i2c(0).add(Sht31())
        self.display = desk.uart(0)
        self.moisten(0.6)

    def moisten(self, moisture):
        """Have the probe say that the soil is so moist, from 0 to 1."""
        self.desk.set_volts(PROBE, 2.6 - moisture * 1.5)

    def empty_tank(self):
        """Close the float's switch."""
        self.desk.pin(FLOAT).drive(0)

    def fill_tank(self):
        """Open it."""
        self.desk.pin(FLOAT).release()

    def waters(self):
        """Tell whether the pump has power, and runs."""
        return bool(self.desk.pin(PUMP).level and self.desk.pin(POWER).level)

    def shown(self):
        """Return the rows of the display."""
        rows = {}
        for piece in bytes(self.display.got).split(b"\x1b")[1:]:
            if piece.endswith(b"\n"):
                rows[int(piece[:1])] = piece[1:-1].decode().rstrip()
        return rows


def furnish(desk):
    """Put the garden around the board; the sun comes out after a minute."""
    garden = Garden(desk)
    desk.at(60_000, lambda: garden.sht31.set(celsius=31.0))
    return garden
