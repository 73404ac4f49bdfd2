"""Hog the board until killed, after each start."""


def main(sys):
    """Spin, a moment after the start."""
    yield sys.sleep(20)
    while True:
        pass
