"""Lights by `neopixel`: a gradient on a chain of three colours, and one with white beside it."""

import neopixel
from machine import Pin
from services.logger.api import INFO


def main(task):
    """Show both."""
    strip = neopixel.NeoPixel(Pin(2), 4)
    for i in range(len(strip)):
        strip[i] = (i * 8, i, 255 - i)
    strip.write()
    yield task.send(task.cap("logger"), INFO, "%d %r %r" % (strip.n, strip[2], list(strip)[-1]))
    wide = neopixel.NeoPixel(Pin(5), 3, bpp=4, timing=(350, 800, 700, 600))
    wide.fill((1, 2, 3, 4))
    wide[-1] = (5, 6, 7, 8)
    try:
        wide[3] = (0, 0, 0, 0)
    except IndexError:
        yield task.send(task.cap("logger"), INFO, "no light 3")
    wide.write()
    while True:
        yield task.recv()
