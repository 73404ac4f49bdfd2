"""What an image changes in MicroPython so that a pin that is held in its safe state stays so.

The kernel holds what a dead service drove by the overrides of the pin's control word
(`system/outputs.py`), which an SDK function rewrites as anybody sets the pin up: `Pin(16,
Pin.OUT)`, `PWM`, `UART` and what else there is. So a service could drive its pin on while it
closes, catches its kills, or at the prompt. That function, and those for pulls and inversion, do
nothing to a pin whose output enable is overridden: MicroPython itself overrides that of none.

Interrupts are off in between, for the tick makes a hog's outputs safe. The linker puts the
functions in the place of the SDK's wherever another file calls those.
"""

from bulkhead_host.image.change import Change

_PORT = "ports/rp2/"
_FUNCTIONS = {
    "gpio_set_function": "gpio_function_t fn",
    "gpio_set_pulls": "bool up, bool down",
    "gpio_set_outover": "uint value",
}
_OPTION = "    -Wl,--wrap=runtime_init_clocks\n"
_INCLUDE = '#include "hardware/structs/padsbank0.h"\n'
_WRAPPER = """\

void __real_{name}(uint gpio, {parameters});
void __wrap_{name}(uint gpio, {parameters});
void __wrap_{name}(uint gpio, {parameters}) {{
    uint32_t interrupts = save_and_disable_interrupts();
    if ((iobank0_hw->io[gpio].ctrl & IO_BANK0_GPIO0_CTRL_OEOVER_BITS) == 0) {{
        __real_{name}(gpio, {arguments});
    }}
    restore_interrupts(interrupts);
}}
"""


def _wrapper(name: str, parameters: str) -> str:
    arguments = ", ".join(one.split()[-1] for one in parameters.split(", "))
    return _WRAPPER.format(name=name, parameters=parameters, arguments=arguments)


HELD_PIN_CHANGES = (
    Change(
        path=_PORT + "CMakeLists.txt",
        before=_OPTION,
        after=_OPTION + "".join(f"    -Wl,--wrap={name}\n" for name in _FUNCTIONS),
    ),
    Change(
        path=_PORT + "machine_pin.c",
        before=_INCLUDE,
        after=_INCLUDE
        + '#include "hardware/sync.h"\n'
        + "".join(_wrapper(name, parameters) for name, parameters in _FUNCTIONS.items()),
    ),
)
"""What `hardening.CHANGES` has among others."""
