"""How a benchmark tells its results; imports nothing, so that a peer's heap holds no kernel."""


def figure(name, value):
    """Print one result for the host."""
    print("%s=%.3f" % (name, value))
