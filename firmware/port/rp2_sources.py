"""The RP2040's interrupt lines beside pins: timers, UART receive, PIO.

Loaded where there is such a line. Registers are those of `rp2_chip`.
"""

import machine
from kernel.layout import FIRED, LINE_MASKED
from micropython import const
from port.rp2_chip import PIO0_INTE, PIO_APART, UART0_IMSC, UART_APART
from port.rp2_lines import Line
from port.rp2_tick import FAR_MS
from uctypes import addressof

_CLEAR = const(0x3000)


def _nothing(_timer):
    """Be the callback of a timer that only holds its alarm."""


class TimerLine(Line):
    """A period. It runs from the first acknowledgement to the driver's end, masked or not.

    Periods that end while it is masked are forgotten; the others stay on the grid. MicroPython's
    timers share one interrupt with the tick, so masking is left to the handler's look at
    LINE_MASKED; the store that masks other lines repeats that word. The timer's alarm is its own
    from boot on.
    """

    def __init__(self, kernel, offset, on_trap, period_us):
        self.timer = machine.Timer(-1)
        self.period_us = period_us
        self.is_running = False
        masked = addressof(kernel.words) + 4 * (offset + LINE_MASKED)
        super().__init__(kernel, offset, on_trap, masked - _CLEAR, FIRED)

    def mask(self):
        """Stop the timer, unless it has just fired and waits to be acknowledged."""
        if self.words[self.offset + LINE_MASKED] != FIRED:
            self.timer.init(period=FAR_MS, callback=_nothing)
            self.is_running = False

    def unmask(self):
        """Let the next period fire; start the timer unless it runs."""
        if not self.is_running:
            self.timer.init(  # type: ignore[call-overload]
                mode=machine.Timer.PERIODIC,
                period=self.period_us,
                tick_hz=1_000_000,
                callback=self.handler,
                hard=True,
            )
            self.is_running = True


class UartLine(Line):
    """Bytes received: fires when the UART holds some and none has come for 32 bit times.

    While it is masked MicroPython goes on collecting bytes. A driver reads until there are none
    before it acknowledges, and may set up the UART as it likes before the first.
    """

    def __init__(self, kernel, offset, on_trap, number, baudrate, tx, rx):
        enable = UART0_IMSC + UART_APART * number
        super().__init__(kernel, offset, on_trap, enable, 1 << 6)  # RTIM
        self.uart = machine.UART(
            number, baudrate, tx=machine.Pin(tx), rx=machine.Pin(rx), rxbuf=256
        )
        self.mask()

    def unmask(self):
        """Let it fire again; a driver that set up the UART anew has undone the trigger."""
        self.uart.irq(self.handler, machine.UART.IRQ_RXIDLE, True)
        super().unmask()


class PioLine(Line):
    """The flag a state machine raises by `irq(rel(0))`; one raised while masked fires after."""

    def __init__(self, kernel, offset, on_trap, number):
        enable = PIO0_INTE + PIO_APART * (number >> 2)
        super().__init__(kernel, offset, on_trap, enable, 0x100 << (number & 3))
        from rp2 import StateMachine  # its assembler is loaded only where there is a PIO line

        StateMachine(number).irq(self.handler, 1, True)
        self.mask()


_LINES = {"timer": TimerLine, "uart": UartLine, "pio": PioLine}


def line(kernel, offset, source, argument, on_trap):
    """Return the line of a source, masked."""
    if source not in _LINES:
        raise ValueError("the rp2 port has no interrupt source '" + source + "'")
    operands = argument if source == "uart" else (argument,)
    return _LINES[source](kernel, offset, on_trap, *operands)
