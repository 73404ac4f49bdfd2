"""A sensor by `dht`: measured below zero, spoilt, and gone."""

import dht
from machine import Pin
from services.logger.api import INFO


def main(task):
    """Log what it says, until it is gone."""
    logger = task.cap("logger")
    sensor = dht.DHT22(Pin(4))
    while True:
        try:
            sensor.measure()
        except OSError as error:
            yield task.send(logger, INFO, "gone %d" % error.errno)
            break
        except Exception as error:
            yield task.send(logger, INFO, "spoilt %r" % error)
        else:
            text = "%.1f C, %.1f %%" % (sensor.temperature(), sensor.humidity())
            yield task.send(logger, INFO, text)
        yield task.sleep(100)
    while True:
        yield task.recv()
