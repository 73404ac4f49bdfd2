"""Chips of registers, by drivers that count with True and set bits of what they have read."""

from _rig import I2C, Registers, World
from micropython_bmp581 import bmp581
from micropython_lis3dh import lis3dh
from micropython_mcp9808 import mcp9808
from micropython_tmp117 import tmp117

from services.i2c.api import Bus

chip = Registers({0x0F: b"\x33", 0x28: b"\x00\x40\x00\x00\x00\x00"})
world = World(x18=chip)
bus = Bus(world, I2C)
bus.keep_time(lis3dh)
sensor = world.finish(bus.run(lis3dh.LIS3DH, bus))
assert len([one for one in world.log if one[0] == "sleep"]) == 1, world.log
x, y, z = world.finish(bus.run(lambda: sensor.acceleration))
assert x > 5 and (y, z) == (0, 0), (x, y, z)

chip = Registers({0x01: b"\x50", 0x1D: b"\x00\x00\x19"})
world = World(x47=chip)
bus = Bus(world, I2C)
bus.keep_time(bmp581)
sensor = world.finish(bus.run(bmp581.BMP581, bus))
assert world.finish(bus.run(lambda: sensor.temperature)) == 25.0

chip = Registers({0x0F: b"\x01\x17", 0x00: b"\x0c\x80", 0x01: b"\x22\x20"}, size=2)
world = World(x48=chip)
bus = Bus(world, I2C)
bus.keep_time(tmp117)
sensor = world.finish(bus.run(tmp117.TMP117, bus))
assert abs(world.finish(bus.run(lambda: sensor.temperature)) - 25.0) < 0.01

chip = Registers({7: b"\x04", 5: b"\xc1\x94", 6: b"\x00\x54", 8: b"\x03"}, size=2)
world = World(x18=chip)
bus = Bus(world, I2C)
sensor = world.finish(bus.run(mcp9808.MCP9808, bus))
assert world.finish(bus.run(lambda: sensor.temperature)) == 25.25
print("passed")
