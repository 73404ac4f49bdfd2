"""Thermometers by `onewire` and `ds18x20`: found, asked too soon, asked, and gone."""

import onewire
from ds18x20 import DS18X20
from machine import Pin
from services.logger.api import INFO


def main(task):
    """Log what they say."""
    logger = task.cap("logger")
    bus = onewire.OneWire(Pin(3))
    thermometers = DS18X20(bus)
    roms = thermometers.scan()
    yield task.send(logger, INFO, "%d of %d" % (len(roms), len(bus.scan())))
    thermometers.convert_temp()
    yield task.sleep(10)
    yield task.send(logger, INFO, "soon %.2f" % thermometers.read_temp(roms[0]))
    yield task.sleep(740)
    for rom in roms:
        yield task.send(logger, INFO, "%s %.4f" % (rom[1:3], thermometers.read_temp(rom)))
    thermometers.write_scratch(roms[0], b"\x00\x00\x1f")  # 9 bits: 94 ms
    thermometers.convert_temp()
    yield task.sleep(94)
    yield task.send(logger, INFO, "rough %.4f" % thermometers.read_temp(roms[0]))
    yield task.send(logger, INFO, "far")
    while True:
        yield task.sleep(20)
        try:
            thermometers.read_temp(roms[0])
        except onewire.OneWireError as error:
            yield task.send(logger, INFO, "gone %r" % error)
            break
        except Exception as error:
            yield task.send(logger, INFO, "spoilt %r" % error)
    while True:
        yield task.recv()
