"""Use all the time that nobody else does."""


def main(task):
    """Spin, once the others have begun."""
    yield task.sleep(200)
    while True:
        pass
