"""Sensors of Sensirion: command, pause, answer. A pause is slept once, and outside of a step."""

from _rig import I2C, Commands, World
from micropython_sht20 import sht20
from micropython_sht4x import sht4x
from micropython_shtc3 import shtc3

from services.i2c.api import Bus


def crc(data):
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ 0x131 if value & 0x80 else value << 1
    return value


def word(value):
    data = bytes((value >> 8, value & 0xFF))
    return data + bytes((crc(data),))


def raw(value):
    data = bytes((value >> 8, value & 0xFF))
    check = 0
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = check << 1 ^ 0x131 if check & 0x80 else check << 1
    return data + bytes((check,))


chip = Commands({b"\xfd": word(0x6666) + word(0x8000), b"\x89": word(1) + word(2)})
world = World(x44=chip)
bus = Bus(world, I2C)
bus.keep_time(sht4x)
sensor = world.finish(bus.run(sht4x.SHT4X, bus))
celsius, humidity = world.finish(bus.run(lambda: sensor.measurements))
assert abs(celsius - 25) < 0.1, celsius
assert abs(humidity - 56.5) < 0.1, humidity
world.log.clear()
world.finish(bus.run(sensor.reset))
assert world.log == [("i2c", 0x44, b"\x94", 0), ("sleep", 100)], world.log

chip = Commands({b"\xef\xc8": word(0x0887), b"\x78\x66": word(0x6666) + word(0x8000)})
chip.answers[b"\x7c\xa2"] = chip.answers[b"\x78\x66"]
world = World(x70=chip)
bus = Bus(world, I2C)
bus.keep_time(shtc3)
sensor = world.finish(bus.run(shtc3.SHTC3, bus))
world.log.clear()
celsius, humidity = world.finish(bus.run(lambda: sensor.measurements))
assert abs(celsius - 25) < 0.1, celsius
kinds = [one[0] for one in world.log]
assert kinds == ["i2c", "sleep", "i2c", "sleep", "i2c", "i2c", "sleep"], world.log

chip = Commands({b"\xe3": raw(0x6644), b"\xf3": raw(0x6644), b"\xe5": raw(0x7C80)})
chip.answers[b"\xf5"] = raw(0x7C80)
chip.answers[b"\xe7"] = b"\x02"
world = World(x40=chip)
bus = Bus(world, I2C)
bus.keep_time(sht20)
sensor = world.finish(bus.run(sht20.SHT20, bus))
celsius = world.finish(bus.run(lambda: sensor.temperature))
assert abs(celsius - 23.3) < 0.1, celsius
print("passed")
