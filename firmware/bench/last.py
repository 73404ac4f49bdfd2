"""The service that ends a run of `restarts`."""

from bench.notes import NOTES


def main(task):
    """Wait until every victim is back."""
    yield task.sleep(NOTES.end_ms())
    NOTES.finish()
    while True:
        yield task.recv()
