"""Five more, by five authors: sensors of air, colour and motion, servos, a display of letters."""

import ahtx0
import tcs34725
from _rig import I2C, Commands, Registers, World
from micropython_bma400 import bma400
from micropython_pca9685 import pca9685
from rpi_lcd_i2c_micropython import i2c_lcd, lcd_api

from services.i2c.api import Bus


def driven(chip, address, *modules):
    """Return a world with a chip, and a bus to it by which the modules keep their time."""
    world = World(**{"x%02x" % address: chip})
    bus = Bus(world, I2C)
    for module in modules:
        bus.keep_time(module)
    return world, bus


# It waits for its chip in a loop, by utime.
air = b"\x18\x80\x00\x06\x00\x00"
chip = Commands({b"\xbe\x08\x00": b"\x08", b"\xac\x33\x00": air})
world, bus = driven(chip, 0x38, ahtx0)
sensor = world.finish(bus.run(ahtx0.AHT20, bus))
assert world.finish(bus.run(lambda: sensor.temperature)) == 25.0
assert world.finish(bus.run(lambda: sensor.relative_humidity)) == 50.0
assert ("sleep", 20) in world.log

# It reads four words behind one another, and switches its chip on and off around them.
values = {0x92: b"\x4d", 0x80: b"\x00", 0x93: b"\x01"}
values.update({0x94: b"\x04\x00", 0x96: b"\x01\x00", 0x98: b"\x02\x01", 0x9A: b"\x03\x00"})
chip = Registers(values)
world, bus = driven(chip, 0x29, tcs34725)
sensor = world.finish(bus.run(tcs34725.TCS34725, bus))
try:
    world.finish(bus.run(sensor.read, True))
    raise AssertionError("it was as if it had not remembered")
except ValueError as error:
    assert "something else" in str(error)
chip.writes.clear()
sensor._active = False
bus.keep_state(sensor)
assert world.finish(bus.run(sensor.read, True)) == (1, 258, 3, 4)
assert [data for at, data in chip.writes if at == 0x80] == [b"\x01", b"\x03", b"\x00"], chip.writes

# Its registers are descriptors, read and written by attributes.
chip = Registers({0x00: b"\x00", 0xFE: b"\x1e"})
world, bus = driven(chip, 0x40, pca9685)
servos = world.finish(bus.run(pca9685.PCA9685, bus))


def set_up():
    servos.frequency = 50
    servos.channels[3].duty_cycle = 0x8000
    return servos.channels[3].duty_cycle


assert world.finish(bus.run(set_up)) == 0x8000
assert (0xFE, b"\x7a") in chip.writes
assert (0x12, b"\x00\x00\x00\x08") in chip.writes
assert ("sleep", 5) in world.log

# It sets bits of what it has read.
chip = Registers({0x00: b"\x90", 0x19: b"\x00", 0x1A: b"\x49", 0x04: b"\x00\x02\x00\x00\x00\xfe"})
world, bus = driven(chip, 0x14, bma400)
sensor = world.finish(bus.run(bma400.BMA400, bus))
assert (0x19, b"\x02") in chip.writes
x, y, z = world.finish(bus.run(lambda: sensor.acceleration))
assert x > 0 and y == 0 and z < 0, (x, y, z)

# It writes hundreds of single bytes, with pauses that the chip needs.
chip = Commands({})
world, bus = driven(chip, 0x27, i2c_lcd, lcd_api)
display = world.finish(bus.run(i2c_lcd.I2cLcd, bus, 0x27))
chip.said = []
world.finish(bus.run(display.putstr, "Hi"))
nibbles = [one[0] >> 4 for one in chip.said if one[0] & 5 == 5]  # data, enabled
shown = bytes(nibbles[at] << 4 | nibbles[at + 1] for at in range(0, len(nibbles), 2))
assert shown == b"Hi", chip.said
print("passed")
