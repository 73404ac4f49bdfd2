"""Interrupt lines that software fires: the unix port's only kind, and the tests' on a board."""

from kernel.layout import IRQ_PENDING, LINE_FIRED, LINE_FIRED_AT, LINE_MASKED


class SoftLine:
    """An interrupt line that software fires."""

    def __init__(self, kernel, offset):
        self.words = kernel.words
        self.offset = offset
        self.port = kernel.port
        self.masked = True

    def mask(self):
        """Fire no more until unmasked."""
        self.masked = True

    def unmask(self):
        """Let the line fire again."""
        self.masked = False

    def fire(self):
        """Be the interrupt of this line."""
        if self.masked:
            return
        self.masked = True
        w = self.words
        w[self.offset + LINE_MASKED] = 1
        w[self.offset + LINE_FIRED_AT] = self.port.now()
        w[self.offset + LINE_FIRED] = 1
        w[IRQ_PENDING] = 1
        self.port.request()
