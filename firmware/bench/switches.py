"""The floor: what one switch costs without a kernel. No kernel is running, so no tick either."""

from time import ticks_diff, ticks_us

from bench.report import figure
from micropython import const

_COUNT = const(1000)


def identity(value):
    """Be a one-line function."""
    return value


def echo():
    """Be a generator that does nothing but yield."""
    while True:
        yield


def measure_calls():
    """Return the microseconds of one call of a one-line function, its local loop included."""
    function = identity
    start = ticks_us()
    for number in range(_COUNT):
        function(number)
    return ticks_diff(ticks_us(), start) / _COUNT


def measure_sends():
    """Return the microseconds of one `generator.send`, its local loop included."""
    send = echo().send
    send(None)
    start = ticks_us()
    for number in range(_COUNT):
        send(number)
    return ticks_diff(ticks_us(), start) / _COUNT


def main():
    """Measure."""
    figure("function_call_us", measure_calls())
    figure("generator_switch_us", measure_sends())
