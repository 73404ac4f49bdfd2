"""A service that faults once and in its next generation, notes how long that took to come."""

from time import sleep_us, ticks_diff, ticks_us

from bench.notes import NOTES


class Deliberate(Exception):
    """What the victim raises."""


def main(task):
    """Raise in the first generation; wait for ever in the next."""
    now = ticks_us()
    if NOTES.raised_us is not None:
        NOTES.restarts_us.append(ticks_diff(now, NOTES.raised_us))
        NOTES.raised_us = None
    else:
        yield task.sleep(NOTES.next_delay_ms())
        sleep_us(NOTES.phase_us())
        NOTES.raised_us = ticks_us()
        raise Deliberate
    while True:
        yield task.recv()
