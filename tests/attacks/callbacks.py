"""Attacks by callbacks and threads: code that runs on top of others, and outlives its service.

Their manifest names `MODULES`: each is a driver, which has the chip's pins and buses. Where this
MicroPython has no such thing the attack ends with the import.
"""

from attacks.tools import after, reached

MODULES = ("machine", "rp2", "_rp2", "micropython", "os", "sys", "_thread")
_PIN = 14


def _handler(_source):
    """Be what runs where it must not."""


# --- what has no other use


@after
def start_a_timer(_task):
    """Import machine's Timer, for its callback."""
    from machine import Timer

    Timer(-1, period=1, callback=_handler)
    reached()


@after
def start_a_timer_of_the_module(_task):
    """Take the Timer from the module machine."""
    import machine

    machine.Timer(-1, period=1, callback=_handler)
    reached()


@after
def start_a_hard_timer_by_getattr(_task):
    """Take the Timer by a name put together."""
    import machine

    getattr(machine, "Ti" + "mer")(-1, freq=100, hard=True, callback=_handler)
    reached()


@after
def find_the_timer_in_the_table_of_machine(_task):
    """Take the Timer from the module's dictionary."""
    import machine

    machine.__dict__["Timer"](-1, period=1, callback=_handler)
    reached()


@after
def find_machine_in_the_table_of_modules(_task):
    """Take machine, and all in it, from sys.modules."""
    import sys as interpreter

    if interpreter.modules["machine"].Timer:
        reached()


@after
def schedule_a_callback(_task):
    """Schedule a function, of a module that its manifest names."""
    import micropython

    micropython.schedule(_handler, None)
    reached()


@after
def import_the_scheduling_function(_task):
    """Import the function that schedules another."""
    from micropython import schedule

    schedule(_handler, None)
    reached()


@after
def take_the_callbacks_guard_out(_task):
    """Put a guard of its own in the place of what judges callbacks."""
    from micropython import guard_callbacks

    guard_callbacks(None)
    reached()


@after
def start_a_thread(_task):
    """Start a thread."""
    import _thread

    _thread.start_new_thread(_handler, (None,))
    reached()


@after
def be_the_terminal(_task):
    """Be called with all that is printed."""
    import os

    os.dupterm(None)
    reached()


@after
def be_a_usb_device(_task):
    """Be called for what a host asks of the USB port."""
    from machine import USBDevice

    USBDevice()
    reached()


@after
def run_at_the_end(_task):
    """Be called as the interpreter ends."""
    import sys as interpreter

    interpreter.atexit(reached)
    reached()


# --- what a driver has for other reasons


@after
def call_back_from_a_pin(_task):
    """Set a callback of a pin."""
    from machine import Pin

    Pin(_PIN, Pin.IN).irq(_handler)
    reached()


@after
def call_back_from_a_pin_hard(_task):
    """Set a callback of a pin, in the interrupt itself."""
    from machine import Pin

    Pin(_PIN, Pin.IN).irq(handler=_handler, trigger=Pin.IRQ_RISING, hard=True)
    reached()


@after
def call_back_by_the_pins_type(_task):
    """Set a callback by the function of the pin's type."""
    from machine import Pin

    type(Pin(_PIN)).irq(Pin(_PIN), _handler)
    reached()


@after
def call_back_by_a_bound_method(_task):
    """Set a callback by a method that getattr has bound."""
    from machine import Pin

    keep = getattr(Pin(_PIN), "ir" + "q")
    keep(_handler)
    reached()


@after
def call_back_by_a_subclass(_task):
    """Set a callback by a type made of the pin's."""
    from machine import Pin

    class Own(Pin):
        def keep(self):
            return super().irq(_handler)

    Own(_PIN).keep()
    reached()


@after
def call_back_by_a_base(_task):
    """Set a callback by the base of a type made of the pin's."""
    from machine import Pin

    class Own(Pin):
        irq = None

    Own.__bases__[0].irq(Pin(_PIN), _handler)
    reached()


@after
def call_back_from_a_pin_of_the_board(_task):
    """Set a callback of a pin that the board's own table has."""
    from machine import Pin

    Pin.board.GP14.irq(_handler)
    reached()


@after
def keep_a_pins_interrupt(_task):
    """Get the object that a pin's callback is kept in, which sets its trigger."""
    from machine import Pin

    Pin(_PIN).irq()
    reached()


@after
def call_back_with_a_generator(_task):
    """Set a generator's own method, which is no Python function, for a callback."""
    from machine import Pin

    def steps():
        while True:
            yield

    Pin(_PIN).irq(steps().send)
    reached()


def call_back_from_a_closing_step(task):
    """Set a callback in its finally block, as it is closed."""
    try:
        yield task.sleep(1)
        raise ValueError("to be closed")
    finally:
        from machine import Pin

        Pin(_PIN).irq(_handler)
        reached()


@after
def call_back_from_a_uart(_task):
    """Set a callback of a UART."""
    from machine import UART

    UART(1).irq(_handler, UART.IRQ_RXIDLE)
    reached()


@after
def call_back_from_a_state_machine(_task):
    """Set a callback of a PIO's state machine."""
    from rp2 import StateMachine

    StateMachine(3).irq(_handler)
    reached()


@after
def call_back_from_a_pio(_task):
    """Set a callback of a PIO."""
    from _rp2 import PIO

    PIO(1).irq(_handler)
    reached()


@after
def call_back_from_dma(_task):
    """Set a callback of a DMA channel, which moves memory too."""
    from rp2 import DMA

    DMA().irq(_handler)
    reached()


@after
def call_back_from_a_bus(_task):
    """Set a callback of an I2C bus on which others ask."""
    from machine import I2CTarget

    I2CTarget(1, addr=67, mem=bytearray(2)).irq(_handler)
    reached()


@after
def call_back_from_sound(_task):
    """Set a callback of an I2S bus."""
    from machine import I2S, Pin

    sound = I2S(
        0, sck=Pin(16), ws=Pin(17), sd=Pin(18), mode=I2S.TX, bits=16, format=I2S.MONO,
        rate=8000, ibuf=256,
    )  # fmt: skip
    try:
        sound.irq(_handler)
        reached()
    finally:
        sound.deinit()


# --- what undoes the guard, or the kernel


@after
def write_a_register(_task):
    """Write registers and memory, with the right to machine alone."""
    import machine

    machine.mem32[0x20000000] = machine.mem32[0x20000000]
    reached()


@after
def move_memory_by_dma(_task):
    """Import the DMA, which reads and writes any address."""
    from _rp2 import DMA

    DMA()
    reached()


@after
def write_the_flash(_task):
    """Write the flash past the file system."""
    from rp2 import Flash

    Flash()
    reached()


@after
def lock_out_interrupts(_task):
    """Disable interrupts, and so the tick that ends what spins."""
    from machine import disable_irq

    disable_irq()
    reached()


@after
def reset_by_machine(_task):
    """Reset the board, with the right to machine alone."""
    import machine

    machine.reset()
    reached()


@after
def reset_by_a_deep_sleep(_task):
    """Have the board sleep deeply, which ends with a reset."""
    from machine import deepsleep

    deepsleep(1)
    reached()


@after
def stand_still_by_a_light_sleep(_task):
    """Stand the whole board still by a sleep, by a name put together."""
    import machine

    getattr(machine, "light" + "sleep")(1)
    reached()


@after
def slow_the_clock(_task):
    """Slow everybody's clock."""
    import machine

    machine.freq(48_000_000)
    reached()


@after
def reset_by_the_hardware_watchdog(_task):
    """Start the hardware watchdog, and never feed it."""
    from machine import WDT

    WDT(timeout=1)
    reached()
