"""Be there, for the tools to have it fall."""


def main(task):
    """Wait for mail that never comes."""
    while True:
        yield task.recv()
