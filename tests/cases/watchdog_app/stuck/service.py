"""A while after the start hang where no kill reaches."""

import machine
import micropython


@micropython.native
def hang():
    """Never return: compiled code looks at no pending exception."""
    while True:
        pass


def main(task):
    """Hang; in the next run of the board, wait."""
    if machine.reset_cause() != machine.WDT_RESET:
        yield task.sleep(100)
        hang()
    while True:
        yield task.recv()
