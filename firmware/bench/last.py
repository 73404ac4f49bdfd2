"""The service that ends a run of `restarts`."""

from bench.notes import NOTES


def main(sys):
    """Wait until every victim is back."""
    yield sys.sleep(NOTES.end_ms())
    NOTES.finish()
    while True:
        yield sys.recv()
