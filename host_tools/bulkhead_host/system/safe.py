"""What is wrong with what manifests call safe: nothing said, or what cannot hold."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from bulkhead_host.problem import Report
from bulkhead_host.system.boards import Board
from bulkhead_host.system.driven import Driven, Place, driven_pins
from bulkhead_host.system.manifest import EVERY, KEEP, Application, Service
from bulkhead_host.system.outputs import BY_PIN, CHIPS
from bulkhead_host.system.packaged import driven_by_package, packages_of

DRIVING = ("machine", "rp2", "esp32", "neopixel")
"""Modules by which a service drives pins."""
HARMLESS = ("machine.ADC", "machine.Timer", "machine.WDT", "machine.RTC", "machine.TouchPad")

_STANDS_STILL = {
    "machine.disable_irq": "turn interrupts off",
    "machine.lightsleep": "put the board to sleep",
    "machine.deepsleep": "put the board to sleep",
}
"""What stops all that would make outputs safe, a hard driver too, as long as it lasts."""

_OF_PULL = {"low": "down", "high": "up", "input up": "up", "input down": "down"}
"""The pull that keeps a pin at its safe level before the kernel has seen to it."""

Found = tuple[Service, tuple[str | int, ...], str, str, bool]
"""Whose manifest, which key, what is wrong, what to do, whether it is a warning."""


def safe_problems(application: Application, board: Board | None) -> Iterator[Found]:
    """Yield what is wrong with the safe states of an application's services."""
    grouped = {name for group in application.groups for name in group.services}
    for service in application.services:
        yield from _unsaid(service, board)
        if board is not None:
            yield from _unheld(service, board, application.resistors)
        is_bound = service.hard or service.name in grouped
        for pin in service.driven_pins:
            if service.safe_state(pin) == KEEP and is_bound:
                what = "a hard driver" if service.hard else "in a group"
                text = f"pin {pin} keeps its level when {service.name} ends, which is {what}"
                hint = f'say what is safe: {pin} = "low" under [safe]'
                yield service, _key(service, pin), text, hint, True
    yield from _standing_still(application)


def _standing_still(application: Application) -> Iterator[Found]:
    """Yield who may stop the whole board while outputs are driven, their own or another's."""
    driven = [
        f"{pin} of {service.name}"
        for service in application.services
        for pin in service.driven_pins
        if service.safe_state(pin) not in ("", KEEP)
    ]
    for service in application.services if driven else ():
        for index, module in enumerate(service.modules):
            if module in _STANDS_STILL:
                others = f", nor of {len(driven) - 1} more" if driven[1:] else ""
                text = f"{service.name} may {_STANDS_STILL[module]}: meanwhile nobody sees to "
                text += f"the safe state of {driven[0]}{others}"
                hint = f"leave {module} out, or have no loop and no wait between it and its end"
                yield service, ("service", "modules", index), text, hint, True


def _unsaid(service: Service, board: Board | None) -> Iterator[Found]:
    for pin in service.driven_pins:
        if board is not None and board.place(pin) is None:
            continue  # that there is none is told already
        found = board and board.pins.get(board.names.get(pin, pin))
        is_driven = can_drive(service) or any(line.tx == pin for line in service.lines)
        if is_driven and not service.safe_state(pin) and not (found and found.is_input_only):
            hint = line_to_add(service, pin)
            yield service, _place(service, pin), _unsafe(service, pin), hint, False


def _unheld(service: Service, board: Board, resistors: Mapping[str, str]) -> Iterator[Found]:
    """Yield safe states that the board cannot have, or not from its reset on."""
    soldered = {board.place(pin): pull for pin, pull in resistors.items()}
    for pin in service.driven_pins:
        state, place = service.safe_state(pin), board.place(pin)
        if state in ("", KEEP) or place is None:
            continue
        key = _key(service, pin)
        if isinstance(place, str):
            text = f"pin {pin} of {board.name} is no pin of the chip: nothing makes it safe"
            yield service, key, text, f'say so: {pin} = "keep" under [safe]', True
            continue
        if board.port not in BY_PIN and board.chip not in CHIPS:
            text = f"pin {pin} is not made safe: the registers of {board.chip} are not known"
            yield service, key, text, f"use a board with one of {', '.join(CHIPS)}", True
            continue
        found = board.pins[board.names.get(pin, pin)]
        if found.is_input_only and state in ("low", "high"):
            text = f"pin {pin} of {board.name} can only be read, and {state} is what is safe"
            yield service, key, text, f'{pin} = "input" under [safe]', False
        if state in ("low", "high") and pin in _heard(service):
            text = f"pin {pin} is a line's input, and an output, {state}, when {service.name} ends"
            yield service, key, text, f'{pin} = "input" under [safe]', True
        pull = soldered.get(place, found.pull_at_reset)
        wanted = _OF_PULL.get(state, pull)
        if pull != wanted:
            what = f"pulled {pull}" if pull != "none" else "not pulled"
            text = f"pin {pin} is safe when {state}, and from reset to boot is an input, {what}"
            hint = (
                "between reset and boot this pin floats: add a resistor, and say so: "
                f'{pin} = "{wanted}" under [resistors] in system.toml'
            )
            yield service, key, text, hint, True


def _heard(service: Service) -> set[str]:
    """Return the pins that a service's lines listen to, and that it does not list to drive."""
    heard = {pin for line in service.lines for pin in (line.pin, line.rx) if pin}
    return heard - set(service.pins)


def check_driven(
    service: Service, tree: ast.Module, file: Path, board: Board, report: Report
) -> None:
    """Report pins that a file drives and for which the manifest says nothing."""
    if not can_drive(service):
        return
    known = {board.place(pin) for pin in service.driven_pins}
    seen = set()
    for found in driven_pins(tree, board, service.folder):
        place, name = _named(found, board)
        if place in known or place in seen:
            continue
        seen.add(place)
        if place is None and not service.driven_pins:
            text = "it drives a pin, and its manifest does not say which, nor what is safe"
            hint = 'list them under pins, and what is safe under [safe]: gp2 = "low"'
            report.add(file, found.line, text, hint, is_warning=True)
        elif place is not None and not name:
            text = f"board {board.name} has no pin {place}"
            report.add(file, found.line, text, f"use one of {', '.join(board.pin_names)}")
        elif name:
            report.add(file, found.line, _unsafe(service, name), line_to_add(service, name))


def check_packages(application: Application, board: Board, report: Report) -> None:
    """Report pins that packages drive for their services, and for which no manifest says anything.

    Of services that share a package one may say it for all.
    """
    for service in application.services:
        for package, path in packages_of(application, service).items():
            known = {
                board.place(pin)
                for other in application.services
                if package in packages_of(application, other)
                for pin in other.driven_pins
            }
            for file, found in driven_by_package(path, service, board):
                place, name = _named(found, board)
                if name and place not in known:
                    known.add(place)
                    hint = line_to_add(service, name)
                    report.add(file, found.line, _unsafe(service, name), hint)


def _named(found: Driven, board: Board) -> tuple[Place | None, str]:
    """Return where a pin is that is driven, and what the board calls it: nothing for no pin."""
    place = found.place
    if isinstance(place, str):
        place = board.place(place.lower()) or place
    by_place = {board.place(name): name for name in (*board.pins, *board.external)}
    by_place |= {place: name for name, place in board.external.items()}
    return place, by_place.get(place, "")


def _unsafe(service: Service, pin: str) -> str:
    return f"pin {pin} is driven, and nothing says what is safe when {service.name} ends"


def can_drive(service: Service) -> bool:
    """Tell whether a service's manifest lets it have the pins of the chip."""
    return any(
        module.split(".")[0] in DRIVING and module not in HARMLESS for module in service.modules
    )


def line_to_add(service: Service, pin: str) -> str:
    """Return the line that says what is safe for a pin, and where it goes."""
    where = f"{service.manifest.parent.name}/service.toml"
    return f'add to {where} under [safe]: {pin} = "low"; or high, input, keep'


def _place(service: Service, pin: str) -> tuple[str | int, ...]:
    if pin in service.pins:
        return "service", "pins", service.pins.index(pin)
    for index, line in enumerate(service.lines):
        if line.tx == pin:
            return "line", index, "tx"
    return "safe", pin


def _key(service: Service, pin: str) -> tuple[str | int, ...]:
    """Return the key of the manifest that says what is safe for a pin, or names it."""
    own = service.document.values.get("safe", {})
    if pin in own or EVERY in own:
        return "safe", pin if pin in own else EVERY
    return _place(service, pin)
