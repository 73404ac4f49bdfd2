"""What an image changes in MicroPython so that a fault of the processor resets the board at once.

A HardFault comes of a load from an address that is none, as viper code with a wrong pointer makes,
or of a jump to one. The SDK's handler stands still, so every output stays as it is until the
hardware watchdog's end, seconds later. This one resets the chip as `machine.reset` does: each pin
is an input until `boot.py` makes it safe. In the kernel's record of who ran (`port/rp2_crash.py`)
it says that this was no reset by order.

The handler is in RAM, for the flash may not be readable then, and begins its stack anew, for the
stack pointer may be the fault. (RP2040 datasheet, 4.7: the watchdog, and 2.13: what it resets.)
"""

from bulkhead_host.image.change import Change

_RESET = "MP_NORETURN static void mp_machine_reset(void) {\n"
_HANDLER = """\
static void __attribute__((used)) __no_inline_not_in_flash_func(fault_reset)(void) {
    hw_set_bits(&psm_hw->wdsel, PSM_WDSEL_BITS & ~(PSM_WDSEL_ROSC_BITS | PSM_WDSEL_XOSC_BITS));
    watchdog_hw->scratch[1] = 0x48464C54;
    watchdog_hw->scratch[4] = 0; // boot from the flash
    hw_set_bits(&watchdog_hw->ctrl, WATCHDOG_CTRL_TRIGGER_BITS);
    for (;;) {
    }
}

void isr_hardfault(void);
void __attribute__((naked, section(".time_critical.isr_hardfault"))) isr_hardfault(void) {
    __asm volatile (
        "ldr r0, =__StackTop\\n"
        "mov sp, r0\\n"
        "ldr r0, =fault_reset\\n"
        "bx r0\\n"
        ".ltorg\\n"
        );
}

"""
_INCLUDE = '#include "hardware/watchdog.h"\n'

PROCESSOR_FAULT_CHANGES = (
    Change(
        path="ports/rp2/modmachine.c",
        before=_INCLUDE,
        after=_INCLUDE + '#include "hardware/structs/psm.h"\n',
    ),
    Change(path="ports/rp2/modmachine.c", before=_RESET, after=_HANDLER + _RESET),
)
"""What `hardening.CHANGES` has among others."""
