"""Use all the time that nobody else does."""


def main(sys):
    """Spin, once the others have begun."""
    yield sys.sleep(200)
    while True:
        pass
