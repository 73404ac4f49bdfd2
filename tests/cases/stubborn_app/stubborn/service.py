"""Catch every kill, for ever, a while after the start."""


def main(task):
    """Spin where nothing gets through."""
    yield task.sleep(200)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
