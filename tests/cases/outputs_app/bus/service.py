"""Have an SPI bus whose clock idles high, and whose last bit was 1."""

from machine import SPI, Pin


def main(task):
    """Send, and wait."""
    spi = SPI(0, 1_000_000, polarity=1, phase=1, sck=Pin(18), mosi=Pin(19), miso=None)
    while True:
        spi.write(b"\xff" * 64)
        yield task.recv(50)
