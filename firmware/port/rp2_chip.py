"""Where the registers of the RP2040 are that the port uses: RP2040 datasheet.

The build takes another file in the place of this one for another chip: `rp2350_chip.py`.
"""

from micropython import const

TIMERAWL = const(0x40054028)  # low word of the microsecond timer, 4.6.4
WATCHDOG_CTRL = const(0x40058000)  # 4.7.6
WATCHDOG_REASON = const(0x40058008)
SCRATCH = const(0x4005800C)
SEEN = const(0x40058014)  # scratch 2
INTE0 = const(0x40014100)  # of IO_BANK0 for processor 0, four bits a pin, 2.19.6.1
INTR_BELOW = const(0x10)  # INTR0 is so far below
# IO_BANK0 is interrupt 13, 2.3.2: the second byte of NVIC_IPR3, ARMv6-M reference manual B3.4.
PINS_PRIORITY = const(0xE000E40C)
UART0_IMSC = const(0x40034038)  # 4.2.8
UART_APART = const(0x4000)
PIO0_INTE = const(0x5020012C)  # of IRQ 0, 3.7
PIO_APART = const(0x100000)
RAM_END = const(0x20042000)  # 2.6.2
