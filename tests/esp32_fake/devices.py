"""The ESP32 port's lines, crash memory and watchdog, on the stand-in for its chip.

Run as a program; prints `ok`, or the traceback, on its last lines.
"""

import time

import machine
from bulkhead import NOTIFIED
from esp32_on_unix import Port
from kernel.abi import KILLS_CAUGHT, WATCHDOG_FIRED
from kernel.boot import build
from kernel.layout import STOPPED
from kernel.levels import main_level

_MS = 1000


def row(name, main, priority, lines):
    """Return a row of a system's table."""
    return (name, main, priority, 20 * _MS, None, (), lines, None, (0, 0, 0, 0, 0), ())


def expect(got, wanted):
    """Fail unless the two are equal."""
    if got != wanted:
        raise AssertionError("got %r, wanted %r" % (got, wanted))


def run(lines, driver):
    """Run a driver of `lines` until it sets STOPPED; return the kernel."""
    port = Port()
    kernel = build((row("driver", driver(lambda: kernel), 2, lines),), port)
    main_level(kernel)
    port.stop_tick()
    for source in kernel.line_sources:
        port.mask(source)
    return kernel


def pin_is_masked_from_an_edge_to_its_acknowledgement():
    seen = []

    def driver(kernel):
        def main(task):
            line = task.cap("button")
            pin = machine.Pin.ALL[5]
            pin.move(2)  # nobody has asked for it yet
            seen.append((yield task.recv(5)))
            for _ in range(2):
                yield task.acknowledge(line)
                pin.move(1)  # not the edge of the manifest
                pin.move(2)
                pin.move(2)
                seen.append(((yield task.recv(50)), task.bits(), pin.handler is None))
            kernel().words[STOPPED] = 1
            yield task.recv()

        return main

    run((("button", "pin", 5, "falling up", 1000),), driver)
    expect(seen[1:], [(NOTIFIED, 1, True)] * 2)


def timer_fires_each_period():
    seen = []

    def driver(kernel):
        def main(task):
            line = task.cap("period")
            start = time.ticks_ms()
            for _ in range(3):
                yield task.acknowledge(line)
                seen.append((yield task.recv(2000)))
            seen.append(time.ticks_diff(time.ticks_ms(), start) >= 10)
            kernel().words[STOPPED] = 1
            yield task.recv()

        return main

    kernel = run((("period", "timer", 5 * _MS, "", 1000),), driver)
    expect(seen, [NOTIFIED] * 3 + [True])
    expect(kernel.port.free_timers, [2, 3])


def unknown_source_says_so():
    expect("'pio'" in refusal("pio", None), True)


def hard_driver_is_refused():
    expect("hard" in refusal("pin", stop), True)


def refusal(source, on_trap):
    """Return what is said of a line that cannot be had."""
    try:
        Port().line(None, 0, source, 0, "", on_trap)
    except ValueError as error:
        return str(error)
    return ""


def crash_survives_a_reset_once():
    def driver(kernel):
        def main(task):
            kernel().port.panic(KILLS_CAUGHT)
            kernel().words[STOPPED] = 1
            yield task.recv()

        return main

    run((), driver)
    expect(machine.DONE, ["reset"])
    crash = Port().crash()
    expect((crash[0], crash[1]), (1, KILLS_CAUGHT))
    expect(Port().crash(), None)


def damaged_crash_is_none():
    run((), lambda kernel: lambda task: stop(kernel(), task))
    machine.RTC().memory(b"BULK" + bytes(13))
    expect(Port().crash(), None)


def stop(kernel, task):
    """Be a service that ends the run."""
    kernel.words[STOPPED] = 1
    yield task.recv()


def watchdog_is_told_from_other_resets():
    machine.CAUSE[0] = machine.WDT_RESET
    expect(Port().crash()[:2], (0, WATCHDOG_FIRED))
    machine.CAUSE[0] = machine.PWRON_RESET
    expect(Port().crash(), None)


def watchdog_is_fed_while_the_board_idles():
    def driver(kernel):
        def main(task):
            yield task.sleep(20)
            kernel().words[STOPPED] = 1
            yield task.recv()

        return main

    kernel = run((), driver)
    expect(kernel.port.watchdog.fed > 0, True)
    expect(kernel.port.watchdog.timeout, 8000)


CHECKS = (
    pin_is_masked_from_an_edge_to_its_acknowledgement,
    timer_fires_each_period,
    unknown_source_says_so,
    hard_driver_is_refused,
    crash_survives_a_reset_once,
    damaged_crash_is_none,
    watchdog_is_told_from_other_resets,
    watchdog_is_fed_while_the_board_idles,
)


def check(name):
    """Run the check of that name."""
    for function in CHECKS:
        if function.__name__ == name:
            function()
    print("ok")
