"""A hard driver that sets its pin high at each edge: nothing of it is to be seen while held."""

from machine import Pin


def main(task):
    """Serve the line."""
    on = Pin(16, Pin.OUT, value=1).on
    edge = task.cap("edge")
    yield task.acknowledge(edge)
    while True:
        yield task.recv()
        on()
        yield task.acknowledge(edge)
