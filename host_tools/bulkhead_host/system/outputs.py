"""Outputs: what is safe for each pin that a service drives, and the stores that make it so.

A manifest says it under `[safe]`, by a pin's name or `"*"` for each: `low`, `high`, `input` with a
pull or without, `keep`. What the kernel does about it when a service ends is made here, as data.

Registers are those of the chip's data sheet: SIO's output level and output enable, of which each
bit is set or cleared by itself (RP2040 2.3.1.7, RP2350 3.1.11); of each pin its pad (2.19.6.3;
9.11.3) and its control word (2.19.6.1; 9.11.1). The control word gives the pin to SIO, off PWM,
PIO or a bus, and overrides level and output enable: so nothing that a dead service has left
behind, such as a state machine, moves the pin. FUNCSEL alone of the control word lifts that, and
leaves the level.

A PWM channel goes on inside the chip, and has the pin again as soon as the next incarnation makes
a `PWM` of it: with the dead one's wave until a period of that is over. So its compare register is
cleared, or filled (4.5.3; 12.5.3), which the channel takes over at the end of its period, and its
inversion is taken off where the service's code speaks of one.

A state machine of PIO goes on as well, with the interrupts it raises: it is disabled (3.7; 11.7).
So does a channel of DMA, into whatever has its memory next: each is disabled, so that no other
one starts it again, and then all are aborted (2.5.5.3; 12.6.8).
"""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import KEEP, SAFE_STATES, Service


@dataclass(frozen=True, kw_only=True)
class Registers:
    """Addresses of a chip; of pads and control words those of GPIO 0, 4 and 8 bytes apart.

    `out_over` and `oe_over` are where OUTOVER and OEOVER begin in a control word, `abort` is
    CHAN_ABORT of the DMA, which has so many channels.
    """

    out_set: int
    out_clr: int
    oe_set: int
    oe_clr: int
    control: int
    pad: int
    compare: int
    pios: int
    channels: int
    abort: int
    out_over: int
    oe_over: int


CHIPS = {
    "rp2040": Registers(
        out_set=0xD0000014,
        out_clr=0xD0000018,
        oe_set=0xD0000024,
        oe_clr=0xD0000028,
        control=0x40014004,
        pad=0x4001C004,
        compare=0x4005000C,
        pios=2,
        channels=12,
        abort=0x50000444,
        out_over=8,
        oe_over=12,
    ),
    "rp2350": Registers(
        out_set=0xD0000018,
        out_clr=0xD0000020,
        oe_set=0xD0000038,
        oe_clr=0xD0000040,
        control=0x40028004,
        pad=0x40038004,
        compare=0x400A800C,
        pios=3,
        channels=16,
        abort=0x50000464,
        out_over=12,
        oe_over=14,
    ),
}
"""Those whose registers are known here."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What ends inside the chip with a service, beside its pins.

    Those are the waves of the pins `waves`, which are not inverted any longer where they are among
    `inverted`, the state machines of PIO by number, and all of the DMA or nothing.
    """

    waves: Collection[int] = ()
    inverted: Collection[int] = ()
    machines: Collection[int] = ()
    dma: bool = False


NOTHING_ENDS = Ends()

SLICES = 8
"""Of PWM: slice n has GPIO 2n and 2n + 1, and those 16 above."""
MACHINES = 4
"""State machines of a PIO."""

BY_PIN = ("esp32", "unix", "sim")
"""Ports that set pins by their own means: they get the pins, and not stores."""

_SIO = 5  # FUNCSEL
_OFF, _ON = 2, 3  # of OUTOVER and OEOVER
_PAD_ON = 0x52  # input enable, 4 mA, Schmitt trigger; on the RP2350 no isolation either
_PULLS = {"input up": 0x08, "input down": 0x04}
_SLICE_BYTES = 0x14  # of a slice's two channels, 16 bits each
_SET, _CLEAR = 0x2000, 0x3000  # the register's aliases
_PIO, _PIO_BYTES = 0x50200000, 0x100000  # CTRL of a PIO: of each machine a bit
_DMA_CONTROL, _DMA_BYTES = 0x50000010, 0x40  # AL1_CTRL, which starts nothing, of each channel
_DMA_ENABLE = 1
_CHANNEL = 0xFFFF
_CSR, _INVERT = -0xC, 1 << 2  # from the compare register; that of the first channel
_HEADER_WORDS = 3


def safe_states(service: Service, board: Board) -> dict[int, str]:
    """Return what is safe for each pin of the chip that a service drives, but what it may keep."""
    found = {}
    for name in service.driven_pins:
        place, state = board.place(name), service.safe_state(name)
        if isinstance(place, int) and state not in ("", KEEP):
            found[place] = state
    return found


def outputs_of(
    states: Mapping[int, str],
    board: Board,
    ends: Ends = NOTHING_ENDS,
) -> bytes | tuple[int, ...]:
    """Return what the board's port makes of safe states: `Port.outputs` says what that is."""
    if board.port in BY_PIN:
        return tuple(
            word for gpio in sorted(states) for word in (gpio, SAFE_STATES.index(states[gpio]))
        )
    registers = CHIPS.get(board.chip)
    if not states or registers is None:
        return b""
    return stores(states, ends, registers=registers)


def stores(
    states: Mapping[int, str],
    ends: Ends = NOTHING_ENDS,
    *,
    registers: Registers = CHIPS["rp2040"],
) -> bytes:
    """Return the stores as 32-bit words, little endian: three ends, then addresses and values.

    The first end is that of the stores that are made as they are, the second that of the control
    words, the third that of what ends inside the chip.
    Level and direction are stored first, so that a pin does not glitch as SIO gets it.
    """
    low, high, inputs = (
        sum(1 << gpio for gpio, state in states.items() if state.split()[0] == kind)
        for kind in ("low", "high", "input")
    )
    at = registers
    plain = [(at.out_clr, low), (at.out_set, high), (at.oe_set, low | high), (at.oe_clr, inputs)]
    plain = [(address, bits) for address, bits in plain if bits]
    plain += [
        (at.pad + 4 * gpio, _PAD_ON | _PULLS.get(states[gpio], 0)) for gpio in sorted(states)
    ]
    controls = [(at.control + 8 * gpio, _control(states[gpio], at)) for gpio in sorted(states)]
    pairs = (
        plain + controls + [_end_of_wave(gpio, states[gpio], at) for gpio in sorted(ends.waves)]
    )
    pairs += [_end_of_inversion(gpio, at) for gpio in sorted(ends.inverted)]
    for number in range(at.pios):
        bits = sum(1 << one % MACHINES for one in ends.machines if one // MACHINES == number)
        pairs += [(_PIO + _PIO_BYTES * number + _CLEAR, bits)] if bits else []
    pairs += _ends_of_dma(at) if ends.dma else []
    counts = (len(plain), len(plain + controls), len(pairs))
    words = [_HEADER_WORDS + 2 * count for count in counts]
    words += [word for pair in pairs for word in pair]
    return struct.pack(f"<{len(words)}I", *words)


def _end_of_wave(gpio: int, state: str, registers: Registers) -> tuple[int, int]:
    register = registers.compare + _SLICE_BYTES * (gpio // 2 % SLICES)
    alias = _SET if state == "high" else _CLEAR
    return register + alias, _CHANNEL << 16 * (gpio % 2)


def _end_of_inversion(gpio: int, registers: Registers) -> tuple[int, int]:
    register = registers.compare + _CSR + _SLICE_BYTES * (gpio // 2 % SLICES)
    return register + _CLEAR, _INVERT << gpio % 2


def _ends_of_dma(registers: Registers) -> list[tuple[int, int]]:
    channels = range(registers.channels)
    controls = [_DMA_CONTROL + _DMA_BYTES * number + _CLEAR for number in channels]
    abort = registers.abort, (1 << registers.channels) - 1
    return [*((control, _DMA_ENABLE) for control in controls), abort]


def _control(state: str, at: Registers) -> int:
    if state not in ("low", "high"):
        return _SIO | _OFF << at.oe_over
    return _SIO | (_ON if state == "high" else _OFF) << at.out_over | _ON << at.oe_over
