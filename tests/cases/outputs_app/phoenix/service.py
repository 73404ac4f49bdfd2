"""Leave behind all code that could run later, each piece of which sets the pin up anew."""

from machine import Pin

_LEFT = []


def _drive():
    Pin(20, Pin.OUT, value=1)


class _Words(Exception):
    """An exception whose text is code."""

    def __str__(self):
        _drive()
        return "words"

    __repr__ = __str__


class _Ended:
    """An object whose end is code."""

    def __del__(self):
        _drive()


def _waits():
    try:
        yield
    finally:
        _drive()


def _leave():
    for _ in range(20):
        _Ended()
        waits = _waits()
        next(waits)
        _LEFT.append(waits)


def main(task):
    """Drive it; 1 raises an exception whose text drives it, 2 returns, 3 raises while closing."""
    _drive()
    _leave()
    operation = 0
    try:
        operation = yield task.recv()
        if operation == 1:
            raise _Words()
    finally:
        _drive()
        _leave()
        if operation == 3:
            raise _Words()
