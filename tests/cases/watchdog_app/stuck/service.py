"""Start the hardware watchdog, and a while later hang where no kill reaches."""

import machine
import micropython

_WATCHDOG_MS = 300


@micropython.native
def hang():
    """Never return: compiled code looks at no pending exception."""
    while True:
        pass


def main(sys):
    """Hang; in the next run of the board, wait."""
    if machine.reset_cause() != machine.WDT_RESET:
        machine.WDT(timeout=_WATCHDOG_MS)
        yield sys.sleep(100)
        hang()
    while True:
        yield sys.recv()
