"""What attacks are written with."""

REACHED = []
KEPT = []


def reached():
    """Note that the attack has what it was after."""
    REACHED.append(1)


def after(step):
    """Turn a function of the frame that needs no trap into a service, which then waits."""

    def main(task):
        step(task)
        yield task.recv()

    return main


def refused(error, function, *operands):
    """Call what must raise `error`; it has reached its aim if it does not."""
    try:
        function(*operands)
    except error:
        return
    reached()
