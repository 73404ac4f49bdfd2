"""Read a thermometer by a driver that was written for machine.I2C."""

from micropython_mcp9808.mcp9808 import MCP9808, RESOLUTION_0_125_C

from services.i2c.api import Bus
from services.logger.api import ERROR, INFO


def main(sys):
    """Log the temperature."""
    logger = sys.cap("logger")
    bus = Bus(sys, sys.cap("i2c"))
    try:
        yield from bus.run(MCP9808, bus, 0x19)
    except OSError as error:
        yield sys.send(logger, ERROR, "nobody at 0x19: %d" % error.errno)
    sensor = yield from bus.run(MCP9808, bus)
    yield from bus.run(set_up, sensor)
    celsius = yield from bus.run(lambda: sensor.temperature)
    yield sys.send(logger, INFO, "%.4f C" % celsius)
    upper = yield from bus.run(lambda: sensor.temperature_upper)
    resolution = yield from bus.run(lambda: sensor.temperature_resolution)
    yield sys.send(logger, INFO, "upper %.1f, %s" % (upper, resolution))
    while True:
        yield sys.recv()


def set_up(sensor):
    """Set a limit and the resolution: several transactions, each made once."""
    sensor.temperature_upper = 30
    sensor.temperature_resolution = RESOLUTION_0_125_C
