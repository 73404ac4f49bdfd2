"""What ends inside the chip with a service: waves, state machines and DMA that its code makes.

Read of the text, and not run: the stores of `outputs` end what no other service's text has.
"""

import ast
from collections.abc import Iterator

from bulkhead_host.files import read_text
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import Application, Service
from bulkhead_host.system.outputs import MACHINES, SLICES, Ends, safe_states
from bulkhead_host.system.packaged import packages_of
from bulkhead_host.system.possible import Module, Scope
from bulkhead_host.system.tree import tree_of

_MAKERS = ("StateMachine", "state_machine")
_PIOS_MAX = 3
_ALL_MACHINES = frozenset(range(_PIOS_MAX * MACHINES))


def ends_of(application: Application, service: Service, board: Board) -> Ends:
    """Return what ends with a service of an application on a board."""
    waves = _wave_pins(application, service, board)
    return Ends(
        waves=waves,
        inverted=waves if _inverts(application, service) else (),
        machines=_state_machines(application, service),
        dma=_moves_memory(application, service),
    )


def _wave_pins(application: Application, service: Service, board: Board) -> set[int]:
    """Return the pins whose PWM channel is to end with the service, whose code makes waves.

    A channel is that of two pins, 16 apart: one that another service has too is left alone.
    """
    if not any("PWM" in text for text in _texts(application, service)):
        return set()
    others = {
        place % (2 * SLICES)
        for other in application.services
        if other is not service
        for name in other.driven_pins
        if isinstance(place := board.place(name), int)
    }
    own = safe_states(service, board)
    return {place for place in own if place % (2 * SLICES) not in others}


def _inverts(application: Application, service: Service) -> bool:
    """Tell whether a service's code speaks of waves that are inverted."""
    return any("invert" in text for text in _texts(application, service))


def _moves_memory(application: Application, service: Service) -> bool:
    """Tell whether the DMA is to end with the service: its code alone has it.

    MicroPython gives it the channel that happens to be free, so all end or none. A hard driver may
    fail within a transfer of MicroPython's own for another service's bus: nothing ends with it.
    """
    others = (one for one in application.services if one is not service)
    return (
        not service.hard
        and any("DMA" in text for text in _texts(application, service))
        and not any(
            word in text
            for other in others
            for text in _texts(application, other)
            for word in ("DMA", "I2S")
        )
    )


def _texts(application: Application, service: Service) -> Iterator[str]:
    """Yield the code that makes a service's waves and state machines: also that of packages."""
    for folder in (service.folder, *packages_of(application, service).values()):
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
            yield read_text(path)


def _state_machines(application: Application, service: Service) -> set[int]:
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
        found = {MACHINES * pio + number for pio in range(_PIOS_MAX) for number in found}
    return found if found and None not in numbers else set(_ALL_MACHINES)


def _maker(module: Module, node: ast.expr, scope: Scope) -> str:
    names = {name.rpartition(".")[2] for name in module.dotted(node, scope)}
    if isinstance(node, ast.Attribute):
        names.add(node.attr)
    return next((name for name in _MAKERS if name in names), "")
