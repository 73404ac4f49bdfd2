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
cleared, or filled (4.5.3; 12.5.3), which the channel takes over at the end of its period.

A state machine of PIO goes on as well, with the interrupts it raises: it is disabled (3.7; 11.7).
"""

import ast
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bulkhead_host.files import read_text
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import KEEP, SAFE_STATES, Application, Service
from bulkhead_host.system.tree import tree_of, walk


@dataclass(frozen=True, kw_only=True)
class Registers:
    """Addresses of a chip; of pads and control words those of GPIO 0, 4 and 8 bytes apart.

    `out_over` and `oe_over` are where OUTOVER and OEOVER begin in a control word.
    """

    out_set: int
    out_clr: int
    oe_set: int
    oe_clr: int
    control: int
    pad: int
    compare: int
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
        out_over=12,
        oe_over=14,
    ),
}
"""Those whose registers are known here."""

BY_PIN = ("esp32", "unix", "sim")
"""Ports that set pins by their own means: they get the pins, and not stores."""

_SIO = 5  # FUNCSEL
_OFF, _ON = 2, 3  # of OUTOVER and OEOVER
_PAD_ON = 0x52  # input enable, 4 mA, Schmitt trigger; on the RP2350 no isolation either
_PULLS = {"input up": 0x08, "input down": 0x04}
_SLICE_BYTES, _SLICES = 0x14, 8  # of a slice's two channels, 16 bits each
_SET, _CLEAR = 0x2000, 0x3000  # the register's aliases
_PIO, _PIO_BYTES, _MACHINES = 0x50200000, 0x100000, 4  # CTRL of a PIO: of each machine a bit
_CHANNEL = 0xFFFF
_HEADER_WORDS = 3


def safe_states(service: Service, board: Board) -> dict[int, str]:
    """Return what is safe for each pin of the chip that a service drives, but what it may keep."""
    found = {}
    for name in service.driven_pins:
        place, state = board.place(name), service.safe_state(name)
        if isinstance(place, int) and state not in ("", KEEP):
            found[place] = state
    return found


def wave_pins(application: Application, service: Service, board: Board) -> set[int]:
    """Return the pins whose PWM channel is to end with the service, whose code makes waves.

    A channel is that of two pins, 16 apart: one that another service has too is left alone.
    """
    if not any("PWM" in read_text(path) for path in service.folder.glob("*.py")):
        return set()
    others = {
        place % (2 * _SLICES)
        for other in application.services
        if other is not service
        for name in other.driven_pins
        if isinstance(place := board.place(name), int)
    }
    own = safe_states(service, board)
    return {place for place in own if place % (2 * _SLICES) not in others}


def state_machines(application: Application, service: Service) -> set[int]:
    """Return the state machines of PIO that are to end with the service: those it alone names.

    A service that says by a name or a sum which one it takes has all that no other names.
    """
    own = _machines_named(service)
    for other in application.services:
        if other is not service:
            own -= _machines_named(other)
    return own


def _machines_named(service: Service) -> set[int]:
    found = {line.state_machine for line in service.lines if line.source == "pio"}
    for path in service.folder.glob("*.py"):
        source = read_text(path)
        if "StateMachine" not in source:
            continue
        for node in walk(tree_of(source, str(path))):
            match node:
                case ast.Call(
                    func=ast.Name(id="StateMachine") | ast.Attribute(attr="StateMachine")
                ):
                    match node.args[:1]:
                        case [ast.Constant(value=int(number))]:
                            found.add(number)
                        case _:
                            found |= set(range(2 * _MACHINES))
    return found


def outputs_of(
    states: Mapping[int, str],
    board: Board,
    waves: Collection[int] = (),
    machines: Collection[int] = (),
) -> bytes | tuple[int, ...]:
    """Return what the board's port makes of safe states: `Port.outputs` says what that is."""
    if board.port in BY_PIN:
        return tuple(
            word for gpio in sorted(states) for word in (gpio, SAFE_STATES.index(states[gpio]))
        )
    registers = CHIPS.get(board.chip)
    return stores(states, waves, machines, registers=registers) if states and registers else b""


def stores(
    states: Mapping[int, str],
    waves: Collection[int] = (),
    machines: Collection[int] = (),
    *,
    registers: Registers = CHIPS["rp2040"],
) -> bytes:
    """Return the stores as 32-bit words, little endian: three ends, then addresses and values.

    The first end is that of the stores that are made as they are, the second that of the control
    words, the third that of what ends the waves of the pins `waves` and the state machines.
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
    pairs = plain + controls + [_end_of_wave(gpio, states[gpio], at) for gpio in sorted(waves)]
    for number in range(2):
        bits = sum(1 << one % _MACHINES for one in machines if one // _MACHINES == number)
        pairs += [(_PIO + _PIO_BYTES * number + _CLEAR, bits)] if bits else []
    ends = (len(plain), len(plain + controls), len(pairs))
    words = [_HEADER_WORDS + 2 * end for end in ends]
    words += [word for pair in pairs for word in pair]
    return struct.pack(f"<{len(words)}I", *words)


def _end_of_wave(gpio: int, state: str, registers: Registers) -> tuple[int, int]:
    register = registers.compare + _SLICE_BYTES * (gpio // 2 % _SLICES)
    alias = _SET if state == "high" else _CLEAR
    return register + alias, _CHANNEL << 16 * (gpio % 2)


def _control(state: str, at: Registers) -> int:
    if state not in ("low", "high"):
        return _SIO | _OFF << at.oe_over
    return _SIO | (_ON if state == "high" else _OFF) << at.out_over | _ON << at.oe_over
