"""The hard cut-off: the float switch takes the pump's power within the interrupt."""

from bulkhead_board import GP14, GP16
from machine import Pin

from services.pump.api import WATER_BACK, WATER_LOW


def main(task):
    """Serve the float switch's line."""
    line, pump = task.cap("float"), task.cap("pump")
    power = Pin(GP16, Pin.OUT, value=0)
    on, off = power.on, power.off
    has_water = Pin(GP14).value
    if has_water():
        on()
    else:
        yield task.notify(pump, WATER_LOW)
    yield task.acknowledge(line)
    while True:
        yield task.recv()
        if has_water():
            on()
            yield task.notify(pump, WATER_BACK)
        else:
            off()
            yield task.notify(pump, WATER_LOW)
        yield task.acknowledge(line)
