"""Soft callbacks of programs on a port whose MicroPython lets the kernel do nothing about them."""


class Callbacks:
    """What a port has as `callbacks`: `queued[0]` is how many wait for the main level."""

    queued = b"\0"

    def hold(self, held):
        """Have callbacks wait from now on, or run when they come: here they always run."""
