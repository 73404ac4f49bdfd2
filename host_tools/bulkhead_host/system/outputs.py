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
"""

import ast
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bulkhead_host.files import read_text
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import KEEP, SAFE_STATES, Application, Service
from bulkhead_host.system.possible import Module, Scope
from bulkhead_host.system.tree import tree_of


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
    pios: int
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
_PIOS_MAX = 3
_ALL_MACHINES = frozenset(range(_PIOS_MAX * _MACHINES))
_MAKERS = ("StateMachine", "state_machine")
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


def wave_pins(application: Application, service: Service, board: Board) -> set[int]:
    """Return the pins whose PWM channel is to end with the service, whose code makes waves.

    A channel is that of two pins, 16 apart: one that another service has too is left alone.
    """
    if not any("PWM" in text for text in _texts(application, service)):
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


def inverts(application: Application, service: Service) -> bool:
    """Tell whether a service's code speaks of waves that are inverted."""
    return any("invert" in text for text in _texts(application, service))


def _texts(application: Application, service: Service) -> Iterator[str]:
    """Yield the code that makes a service's waves and state machines: also that of packages."""
    named = {module.partition(".")[0] for module in service.modules}
    for folder in (
        service.folder,
        *(path for name, path in application.packages if name in named),
    ):
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
            yield read_text(path)


def state_machines(application: Application, service: Service) -> set[int]:
    """Return the state machines of PIO that are to end with the service: those it alone names.

    A service of which the text does not tell which one it takes has all that no other names.
    """
    own = _machines_named(application, service)
    for other in application.services:
        if other is not service:
            own -= _machines_named(application, other)
    return own


def _machines_named(application: Application, service: Service) -> set[int]:
    found = {line.state_machine for line in service.lines if line.source == "pio"}
    for source in _texts(application, service):
        if any(name in source for name in _MAKERS):
            module = Module(tree_of(source, ""))
            called = {id(one.func) for one, _ in module.nodes if isinstance(one, ast.Call)}
            for node, scope in module.nodes:
                if isinstance(node, ast.Call):
                    found |= _machines_made(module, node, scope)
                elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in called:
                    # By another name, or handed to who calls it.
                    found |= _ALL_MACHINES if _maker(module, node, scope) else set()
    return found


def _machines_made(module: Module, call: ast.Call, scope: Scope) -> set[int]:
    """Return the state machines that a call may make: of a PIO's method, its own."""
    maker = _maker(module, call.func, scope)
    if not maker:
        return set()
    numbers = module.values(call.args[0] if call.args else None, scope)
    found = {number for number in numbers if isinstance(number, int)}
    if maker == "state_machine":
        found = {_MACHINES * pio + number for pio in range(_PIOS_MAX) for number in found}
    return found if found and None not in numbers else set(_ALL_MACHINES)


def _maker(module: Module, node: ast.expr, scope: Scope) -> str:
    names = {name.rpartition(".")[2] for name in module.dotted(node, scope)}
    if isinstance(node, ast.Attribute):
        names.add(node.attr)
    return next((name for name in _MAKERS if name in names), "")


def outputs_of(
    states: Mapping[int, str],
    board: Board,
    waves: Collection[int] = (),
    machines: Collection[int] = (),
    inverted: Collection[int] = (),
) -> bytes | tuple[int, ...]:
    """Return what the board's port makes of safe states: `Port.outputs` says what that is."""
    if board.port in BY_PIN:
        return tuple(
            word for gpio in sorted(states) for word in (gpio, SAFE_STATES.index(states[gpio]))
        )
    registers = CHIPS.get(board.chip)
    if not states or registers is None:
        return b""
    return stores(states, waves, machines, inverted, registers=registers)


def stores(
    states: Mapping[int, str],
    waves: Collection[int] = (),
    machines: Collection[int] = (),
    inverted: Collection[int] = (),
    *,
    registers: Registers = CHIPS["rp2040"],
) -> bytes:
    """Return the stores as 32-bit words, little endian: three ends, then addresses and values.

    The first end is that of the stores that are made as they are, the second that of the control
    words, the third that of what ends the waves of the pins `waves`, which are not inverted any
    longer where they are among `inverted`, and the state machines.
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
    pairs += [_end_of_inversion(gpio, at) for gpio in sorted(inverted)]
    for number in range(at.pios):
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


def _end_of_inversion(gpio: int, registers: Registers) -> tuple[int, int]:
    register = registers.compare + _CSR + _SLICE_BYTES * (gpio // 2 % _SLICES)
    return register + _CLEAR, _INVERT << gpio % 2


def _control(state: str, at: Registers) -> int:
    if state not in ("low", "high"):
        return _SIO | _OFF << at.oe_over
    return _SIO | (_ON if state == "high" else _OFF) << at.out_over | _ON << at.oe_over
