"""Hog the board until killed, after each start."""


def main(task):
    """Spin, a moment after the start."""
    yield task.sleep(20)
    while True:
        pass
