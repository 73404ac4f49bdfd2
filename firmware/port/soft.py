"""Interrupt lines that software fires: the unix port's only kind, and the tests' on a board."""

from kernel.layout import FIRED, IRQ_PENDING, LINE_FIRED, LINE_FIRED_AT, LINE_MASKED


class SoftLine:
    """An interrupt line that software fires."""

    def __init__(self, kernel, offset):
        self.words = kernel.words
        self.offset = offset
        self.port = kernel.port

    @property
    def masked(self):
        """True from a firing to its acknowledgement, and before the driver has asked for any."""
        return self.words[self.offset + LINE_MASKED] != 0

    def mask(self):
        """Fire no more until unmasked: `fire` looks at the kernel's word."""

    def unmask(self):
        """Let the line fire again."""

    def fire(self):
        """Be the interrupt of this line."""
        if self.masked:
            return
        w = self.words
        w[self.offset + LINE_FIRED_AT] = self.port.now()
        w[self.offset + LINE_MASKED] = FIRED
        w[self.offset + LINE_FIRED] = 1
        w[IRQ_PENDING] = 1
        self.port.request()
