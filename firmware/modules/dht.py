"""The sensors DHT11 and DHT22, as the `dht` of MicroPython's own images.

`measure` is one call into C of 275 ms. Others run meanwhile, but for the last 5 ms, in which
interrupts are off.
"""

from machine import dht_readinto


class DHTBase:
    """What the sensors have in common: 4 bytes, and their sum."""

    def __init__(self, pin):
        """Take a `machine.Pin`. The line wants a resistor of 5 kohm to 3.3 V."""
        self.pin = pin
        self.buf = bytearray(5)

    def measure(self):
        """Ask the sensor: a DHT11 once a second at most, a DHT22 every two.

        Raises OSError with ETIMEDOUT if it does not answer, Exception if the sum is wrong.
        """
        data = self.buf
        dht_readinto(self.pin, data)
        if sum(data[:4]) & 0xFF != data[4]:
            raise Exception("checksum error")


class DHT11(DHTBase):
    """The blue one: whole percents and degrees."""

    def humidity(self):
        """Return the relative humidity of the last measurement, in percent."""
        return self.buf[0]

    def temperature(self):
        """Return the temperature of the last measurement, in degrees Celsius."""
        return self.buf[2]


class DHT22(DHTBase):
    """The white one, AM2302: tenths."""

    def humidity(self):
        """Return the relative humidity of the last measurement, in percent."""
        return (self.buf[0] << 8 | self.buf[1]) * 0.1

    def temperature(self):
        """Return the temperature of the last measurement, in degrees Celsius."""
        tenths = (self.buf[2] & 0x7F) << 8 | self.buf[3]
        return -0.1 * tenths if self.buf[2] & 0x80 else 0.1 * tenths
