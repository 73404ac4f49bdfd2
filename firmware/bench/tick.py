"""What the kernel's tick takes from a service that computes without a trap.

The same bytecode loop runs as a plain program before the kernel is built, and as a service beside
a driver that waits for console input, which the tick has looked for: the overhead is how much
longer it takes there, in percent.
"""

from time import ticks_diff, ticks_us

from bench.report import figure
from bench.stage import Stage, row
from micropython import const

_TURNS = const(50_000)


def compute():
    """Return the microseconds of a fixed amount of work."""
    left = _TURNS
    start = ticks_us()
    while left:
        left -= 1
    return ticks_diff(ticks_us(), start)


def main():
    """Measure."""
    stage = Stage()
    ticked = [0]

    def service(task):
        yield task.sleep(0)
        ticked[0] = compute()
        stage.finish()

    def listener(task):
        yield task.acknowledge(task.cap("input"))
        yield task.recv()

    plain = compute()
    console = ("input", "console", 0, "rising none", 1000)
    stage.perform([row("service", service, 4), row("listener", listener, 3, lines=(console,))])
    figure("tick_overhead_percent", 100 * (ticked[0] - plain) / plain)
