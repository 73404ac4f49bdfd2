"""Turn interrupts off, yield, and fail while they are off."""

from machine import disable_irq


def main(task):
    """Do both."""
    disable_irq()
    yield task.sleep(50)
    disable_irq()
    raise ValueError("with interrupts off")
