"""Read a thermometer by a driver that was written for machine.I2C."""

from micropython_mcp9808.mcp9808 import MCP9808, RESOLUTION_0_125_C

from services.i2c.api import Bus
from services.logger.api import ERROR, INFO


def main(task):
    """Log the temperature."""
    logger = task.cap("logger")
    bus = Bus(task, task.cap("i2c"))
    try:
        yield from bus.run(MCP9808, bus, 0x19)
    except OSError as error:
        yield task.send(logger, ERROR, "nobody at 0x19: %d" % error.errno)
    sensor = yield from bus.run(MCP9808, bus)
    yield from bus.run(set_up, sensor)
    celsius = yield from bus.run(lambda: sensor.temperature)
    yield task.send(logger, INFO, "%.4f C" % celsius)
    upper = yield from bus.run(lambda: sensor.temperature_upper)
    resolution = yield from bus.run(lambda: sensor.temperature_resolution)
    yield task.send(logger, INFO, "upper %.1f, %s" % (upper, resolution))
    while True:
        yield task.recv()


def set_up(sensor):
    """Set a limit and the resolution: several transactions, each made once."""
    sensor.temperature_upper = 30
    sensor.temperature_resolution = RESOLUTION_0_125_C
