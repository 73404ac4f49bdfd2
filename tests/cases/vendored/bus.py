"""All that `machine.I2C` and `SoftI2C` take, and what is asked of `Replay`."""

import time

from _rig import I2C, Commands, Registers, World

from services.i2c.api import DATA_MAX, TRANSFER_MAX, Bus


def raised(kind, steps):
    try:
        world.finish(steps)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


chip = Registers({0: b"ab", 1: b"cd", 0x10: b"efgh"}, size=2)
world = World(x20=chip)
bus = Bus(world, I2C)


def run(function, *arguments):
    return world.finish(bus.run(function, *arguments))


# Counts as bools, other addresses of registers, buffers of any kind.
assert run(bus.readfrom_mem, 0x20, 0, True) == b"a"
assert run(bus.readfrom, 0x20, False) == b""
buffer = bytearray(2)
run(lambda: bus.readfrom_mem_into(0x20, 1, buffer))
assert buffer == b"cd"
run(lambda: bus.readfrom_mem_into(0x20, 0x1000, buffer, addrsize=16))
assert world.log[-1] == ("i2c", 0x20, b"\x10\x00", 2)
run(lambda: bus.writeto_mem(0x20, 0x0102, memoryview(b"xy"), addrsize=16))
assert world.log[-1] == ("i2c", 0x20, b"\x01\x02xy", 0)
assert run(bus.writevto, 0x20, [b"\x05", bytearray(b"6"), memoryview(b"7")]) == 3
assert world.log[-1] == ("i2c", 0x20, b"\x0567", 0)
assert run(bus.scan) == [0x20]
run(bus.init, 0, 1)
run(bus.deinit)

# Nothing is written: does it answer?
run(bus.writeto, 0x20, b"")
assert raised(OSError, bus.run(bus.writeto, 0x21, b"")).errno == 5
assert raised(OSError, bus.run(bus.writeto, 0x80, b"1")).errno == 5

# Both sides of what a message holds, and of what can be lent.
for count in (DATA_MAX, DATA_MAX + 1, TRANSFER_MAX - 1):
    assert len(run(bus.readfrom, 0x20, count)) == count
    run(bus.writeto, 0x20, bytes(count))
    assert world.log[-1] == ("i2c", 0x20, bytes(count), 0)
    assert len(run(bus.readfrom_mem, 0x20, 1, count)) == count
error = raised(ValueError, bus.run(bus.writeto, 0x20, bytes(TRANSFER_MAX + 1)))
assert str(TRANSFER_MAX) in str(error) and str(TRANSFER_MAX + 1) in str(error)
world.most = 300
error = raised(ValueError, bus.run(bus.writeto, 0x20, bytes(301)))
assert "300" in str(error), error

# A write without a stop is not lost, whatever comes next.
world.log.clear()
run(bus.writeto, 0x20, b"1", False)
assert world.log == [("i2c", 0x20, b"1", 0)]
world.log.clear()


def goes_on():
    bus.writeto(0x20, b"1", False)
    bus.writeto(0x20, b"2", False)
    bus.readfrom(0x20, 2)
    bus.writeto(0x20, b"3", False)
    bus.scan()


run(goes_on)
assert world.log == [("i2c", 0x20, b"12", 2), ("i2c", 0x20, b"3", 0)], world.log


# The primitives.
def primitives():
    bus.start()
    assert bus.write(b"\x40\x10") == 2
    bus.start()
    bus.write(b"\x41")
    bus.readinto(buffer)
    bus.stop()
    bus.start()
    bus.write(b"\x40")
    bus.write(b"\x01zz")
    bus.stop()


world.log.clear()
run(primitives)
assert world.log == [("i2c", 0x20, b"\x10", 2), ("i2c", 0x20, b"\x01zz", 0)], world.log
assert "nack" in str(raised(ValueError, bus.run(bus.readinto, buffer, False)))
raised(ValueError, bus.run(bus.write, b"1"))


# Each is made once: a write that fails is told where it was made.
def probe():
    found = []
    for address in (0x1F, 0x20, 0x21):
        try:
            bus.writeto(address, b"\x00")
            bus.replay.clock.sleep_ms(5)
            found.append(address)
        except OSError:
            pass
    return found


world.log.clear()
assert run(probe) == [0x20]
assert [one[1] for one in world.log if one[0] == "i2c"] == [0x1F, 0x20, 0x21], world.log
assert [one for one in world.log if one[0] == "sleep"] == [("sleep", 5)]


# A driver that sleeps by itself sleeps when what it wrote before is made.
def sleeper():
    bus.writeto(0x20, b"1")
    seen.append(len(world.log))
    bus.readfrom(0x20, 1)


seen = []
world.log.clear()
run(sleeper)
assert min(seen) == 1 and len(world.log) == 2, (seen, world.log)
try:
    bus.keep_time(world)  # no module
except ValueError as error:
    assert "service.py" in str(error)
else:
    raise AssertionError("it keeps no time")
own = __import__("micropython_sht20.sht20").sht20
own.sleep_ms = time.sleep_ms
bus.keep_time(own)
assert own.time is bus.replay.clock and own.sleep_ms is not time.sleep_ms
seen.clear()
world.log.clear()
run(sleeper)
assert seen[0] == 0 and len(world.log) == 2, (seen, world.log)


# A hundred writes and pauses; and a clock that says the same again.
world.log.clear()


def long():
    begun = bus.replay.clock.ticks_ms()
    for number in range(100):
        bus.writeto(0x20, bytes((0, number)))
        bus.replay.clock.sleep(0.002)
    bus.readfrom(0x20, 1)
    return begun, bus.replay.clock.ticks_ms()


begun, ended = run(long)
assert time.ticks_diff(ended, begun) >= 0
assert len(world.log) == 201


# A pause too short for the kernel comes after what was written before it.
def short():
    bus.writeto(0x20, b"1")
    bus.replay.clock.sleep_us(900)
    return bus.replay.clock.ticks_us()


world.log.clear()
begun = time.ticks_us()
assert time.ticks_diff(run(short), begun) >= 900
assert [one[0] for one in world.log] == ["i2c"]

# A bus that has just been started again is an error, once.
world.is_dead = True
raised(OSError, bus.run(bus.readfrom, 0x20, 1))
assert world.log[-1][0] == "reopen"
assert run(bus.readfrom, 0x20, 1)

# A driver that asks for something else when it is run again.
asked = []


def fickle():
    asked.append(1)
    bus.readfrom(0x20, len(asked))


raised(ValueError, bus.run(fickle))

# A driver's own errors, after writes that are not made yet.
chip = Commands({})
world = World(x20=chip)
bus = Bus(world, I2C)


def fails():
    bus.writeto(0x20, b"1")
    raise KeyError("its own")


raised(KeyError, bus.run(fails))
assert chip.said == [b"1"]
print("passed")
