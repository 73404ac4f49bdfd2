"""Drivers with select, data/command and reset lines: order is kept, and writes go together."""

from _rig import GPIO, SPI, World
from max7219 import Matrix8x8

from services.gpio.api import MODE, WRITE, Pin
from services.spi.api import Spi

world = World()
spi = Spi(world, SPI, 2)
matrix = world.finish(spi.run(Matrix8x8, spi, spi.select, 4))
assert world.log[0] == ("spi", 2, b"\x0c\x00" * 4, False), world.log[0]  # one call a window
world.log.clear()
matrix.fill(1)
world.finish(spi.run(matrix.show))
assert world.log[0] == ("spi", 2, b"\x01\xff" * 4, False), world.log[0]
assert len(world.log) == 8, world.log


class Display:
    """As drivers of displays are: a reset, then commands and data, and an answer at the end."""

    def __init__(self, spi, cs, dc, reset):
        self.spi, self.cs, self.dc = spi, cs, dc
        cs.init(cs.OUT, value=1)
        dc.init(dc.OUT, value=0)
        reset.init(reset.OUT, value=0)
        reset(1)
        spi.init(baudrate=10_000_000, polarity=1, phase=1)
        self.order(0x2A, b"\x01\x02")

    def order(self, command, data):
        self.cs.value(0)
        self.dc.value(0)
        self.spi.write(bytes((command,)))
        self.dc.value(1)
        self.spi.write(data)
        self.cs.value(1)

    def identity(self):
        self.cs(0)
        self.spi.write(b"\x04")
        first = self.spi.read(1)
        rest = bytearray(300)
        self.spi.readinto(rest, 0xFF)
        self.cs(1)
        return first, rest


world = World()
spi = Spi(world, SPI)
dc, reset = Pin(spi.replay, GPIO, 0), Pin(spi.replay, GPIO, 1)
display = world.finish(spi.run(Display, spi, spi.select, dc, reset))
expected = [(WRITE, 0, 0), (MODE, 0, 3), (WRITE, 1, 0), (MODE, 1, 3), (WRITE, 1, 1)]
expected += [("set up", 0, 10_000_000, 3), (WRITE, 0, 0), ("spi", 0, b"\x2a", True)]
expected += [(WRITE, 0, 1), ("spi", 0, b"\x01\x02", False)]
assert world.log == expected, world.log
world.log.clear()
world.came = b"\x00\x07" + bytes(range(256))
first, rest = world.finish(spi.run(display.identity))
assert (first, rest[:3], len(rest)) == (b"\x07", b"\x00\x01\x02", 300)
kept = [one[3] for one in world.log]
assert kept == [True, True, True, False], kept

world.finish(spi.run(display.order, 0x2C, bytes(5000)))  # in pieces, with the chip selected
pieces = [one for one in world.log if one[0] == "spi"]
assert sum(len(one[2]) for one in pieces[-4:]) >= 5000
world.levels[5] = 1
busy = Pin(spi.replay, GPIO, 5)
assert world.finish(spi.run(busy.value)) == 1
for wrong in (lambda: spi.init(bits=16), lambda: spi.read(5000), busy.irq):
    try:
        world.finish(spi.run(wrong))
    except ValueError as error:
        assert len(str(error)) > 20
    else:
        raise AssertionError(wrong)
print("passed")
