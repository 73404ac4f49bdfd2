"""Catch every kill, for ever, a while after the start."""


def main(sys):
    """Spin where nothing gets through."""
    yield sys.sleep(200)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
