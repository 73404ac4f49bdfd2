"""Programs on a board that build a kernel of their own over its port, with real lines."""

import ast
from collections.abc import Callable

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

CYCLES_IN_US = 125
RUN_MS = 20_000
"""Device time that no program here needs."""

# A kernel of its own over the port of the board. Its lines fire above a service that spins.
PROGRAM = """
from kernel import Port, main_level
from kernel.boot import build
from kernel.layout import ARMED, LINE, LINE_COUNT, LINE_MASKED, STOPPED, TASKS_END
from machine import Pin
from time import ticks_diff, ticks_us

log = []
ready = Pin(4, Pin.OUT, value=0)

def spinner(task):
    while not kernel.words[STOPPED]:
        pass
    yield

def counts():
    at = kernel.words[TASKS_END]
    return [kernel.words[at + LINE * n + LINE_COUNT] for n in range(len(kernel.line_sources))]

def row(name, main, priority, budget_us, uses=(), lines=(), flags=0):
    options = (0, 0, 0, 0, flags)
    return (name, main, priority, budget_us, None, uses, lines, None, options, ())

def serve(driver, *lines):
    perform(row("driver", driver, 2, 1_000_000, (), lines), row("spinner", spinner, 7, 5_000_000))

def perform(*rows):
    global kernel
    ready.off()
    kernel = build(rows, Port())
    main_level(kernel)
    kernel.words[ARMED] = 0
    kernel.port.stop_tick()
    for line in kernel.line_sources:
        kernel.port.mask(line)
"""


def run(board: EmulatedBoard, driver: str, *lines: tuple[object, ...]) -> object:
    """Run a driver over its lines until it sets STOPPED, and return its log."""
    rows = "".join(f", {line!r}" for line in lines)
    source = f"log.clear()\n{driver}\nserve(driver{rows})\nprint(log)"
    return ast.literal_eval(execute(board, source, timeout_ms=RUN_MS))


def when_ready(board: EmulatedBoard, *events: tuple[int, Callable[[], None]]) -> None:
    """Have each function called so many microseconds after the driver says that it waits."""

    def begin(edge: object) -> None:
        if board.pin(4).level:
            for delay_us, function in events:
                board.chip.clock.create_alarm(function).schedule(delay_us * 1000)
            forget()

    forget = board.pin(4).on_edge(begin)


def feed(board: EmulatedBoard, data: bytes) -> None:
    """Have UART 1 receive bytes."""
    for byte in data:
        board.chip.mcu.uart[1].feed_byte(byte)
