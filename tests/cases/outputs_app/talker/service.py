"""Have a UART idle, which is high, with more to send than one may wait for."""

from machine import UART, Pin


def main(task):
    """Send, and wait."""
    uart = UART(1, 9600, tx=Pin(4), txbuf=256)
    while True:
        uart.write(b"\xff" * 200)
        yield task.recv(100)
