"""What a hard driver's manifest may not have, and why.

Its steps run in the hardware interrupt, where it can touch its device, notify and acknowledge:
nobody can wait for it, it can wait for nothing but its lines, and no budget ends a step.
"""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.files import NotText, read_text
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import RIGHTS, Service

HARD_PORTS = ("rp2", "unix")
"""Ports with the hard level: the others have no interrupts that run Python at once."""

RATE_MAX_HZ = 6_000
"""At 8,000 interrupts a second a Pico makes one hard step after the other, and no more."""

Problem = tuple[Service, tuple[str | int, ...], str, str]
"""Whose manifest, which key, what is wrong, what to do."""


def hard_problems(services: Mapping[str, Service], board: Board | None) -> Iterator[Problem]:
    """Yield what is wrong with each hard driver, and with those that would wait for one."""
    for service in services.values():
        if service.hard:
            yield from _own(service, board)
        for use in service.uses:
            target = services.get(use.target)
            if target is not None and target.hard:
                text = f"{use.target} is a hard driver: it receives nothing but its interrupts"
                hint = f"let {use.target} notify {service.name}"
                yield service, ("uses", use.handle), text, hint


def _own(service: Service, board: Board | None) -> Iterator[Problem]:
    name = service.name
    if board is not None and board.port not in HARD_PORTS:
        text = f"board {board.name} has no hard level"
        yield service, ("service", "hard"), text, "leave out hard"
    if not service.lines:
        text = f"{name} is a hard driver without an interrupt"
        yield service, ("service", "hard"), text, "add a [[line]]"
    yield from _lines(service)
    for use in service.uses:
        if use.rights != RIGHTS["notify"]:
            text = f"a hard driver can notify {use.target}, and nothing else"
            yield service, ("uses", use.handle), text, 'use ["notify"]'
    without: tuple[tuple[bool, tuple[str, ...], str], ...] = (
        (service.mailbox is not None, ("mailbox",), "takes no mail"),
        (service.heartbeat_ms > 0, ("service", "heartbeat_ms"), "sends no heartbeat"),
        (service.period_ms > 0, ("service", "period_ms"), "has no budget for a period"),
        (service.slots > 0, ("service", "slots"), "is granted nothing"),
    )
    for is_given, keys, text in without:
        if is_given:
            yield service, keys, f"a hard driver {text}", f"leave out {keys[-1]}"
    if _is_async(service):
        text = "the main of a hard driver must be a generator function: await allocates"
        yield service, ("service", "hard"), text, "write def main(task), and yield"


def _lines(service: Service) -> Iterator[Problem]:
    for index, line in enumerate(service.lines):
        if line.source == "console":
            text = "console input raises no hardware interrupt"
            yield service, ("line", index, "source"), text, "let another service read it"
        if line.rate_max_hz > RATE_MAX_HZ:
            text = f"{line.rate_max_hz:,} hard steps a second would leave the board no processor"
            hint = f"at most {RATE_MAX_HZ:,}: what is faster is for a PIO program to count"
            yield service, ("line", index, "rate_max_hz"), text, hint


def _is_async(service: Service) -> bool:
    try:
        body = ast.parse(read_text(service.folder / "service.py")).body
    except (OSError, SyntaxError, ValueError, NotText):
        return False  # which is reported elsewhere
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "main" for node in body)
