"""Where the registers of the RP2350 are that the port uses: RP2350 datasheet.

The same names as in `rp2_chip.py`, in whose place the build puts this file.
"""

from micropython import const

TIMERAWL = const(0x400B0028)  # low word of TIMER0, 12.8.5
WATCHDOG_CTRL = const(0x400D8000)  # 12.9.7
WATCHDOG_REASON = const(0x400D8008)
SCRATCH = const(0x400D800C)
SEEN = const(0x400D8014)  # scratch 2
INTE0 = const(0x40028248)  # of IO_BANK0 for processor 0, four bits a pin, 9.11.1
INTR_BELOW = const(0x18)  # INTR0 is so far below: there are 48 pins
# IO_BANK0 is interrupt 21, 3.2: the second byte of NVIC_IPR5, ARMv8-M reference manual D1.2.
PINS_PRIORITY = const(0xE000E414)
UART0_IMSC = const(0x40070038)  # 12.1.8
UART_APART = const(0x8000)
PIO0_INTE = const(0x50200170)  # of IRQ 0, 11.7
PIO_APART = const(0x100000)
RAM_END = const(0x20082000)  # 4.2
