"""Print, and fail a while after each start, with a traceback."""


def main(task):
    """Live for a moment."""
    print("\x04breaker is up" + 300 * ".")
    yield task.sleep(300)
    raise ValueError("\x01\x04>OK")  # what the raw REPL says itself
