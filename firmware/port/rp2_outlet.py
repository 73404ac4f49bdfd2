"""The RP2040's console output: a USB endpoint, of which it can be seen that all has been sent.

TinyUSB keeps what is written in a queue of 256 bytes, from which it gives the endpoint its
packets. MicroPython says that there is room as soon as one byte is free; a write of more waits for
the host in C, up to 500 ms, and nobody is served meanwhile. An endpoint with nothing to send means
that the queue is empty: so all of it is room.
"""

import micropython
from micropython import const

from port.outlet import Outlet

# Buffer control of endpoint 2 IN, RP2040 datasheet 4.1.2.5.4: MicroPython's CDC data
# (`USBD_CDC_EP_IN` of `shared/tinyusb/tusb_config.h`), and the bits AVAILABLE of its two buffers.
_IN_CONTROL = const(0x50100090)
_AVAILABLE = const(0x04000400)
_QUEUE_BYTES = const(256)  # CFG_TUD_CDC_TX_BUFSIZE


@micropython.viper
def is_sending() -> int:
    """Return whether the host has not yet taken what the endpoint has."""
    return ptr32(_IN_CONTROL)[0] & _AVAILABLE


class UsbOutlet(Outlet):
    """The way out of the console's line."""

    @micropython.native
    def room(self):
        """Return how many bytes the line takes now without waiting."""
        for _ in self.writable.ipoll(0):  # TinyUSB has seen what has been sent
            if not is_sending():
                return _QUEUE_BYTES
        return 0
