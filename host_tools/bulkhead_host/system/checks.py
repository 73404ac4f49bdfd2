"""Checks of a system as a whole, before anything of it reaches a board."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bulkhead_host import abi
from bulkhead_host.problem import Report
from bulkhead_host.system.boards import Board
from bulkhead_host.system.far import far_problems
from bulkhead_host.system.hard import hard_problems
from bulkhead_host.system.manifest import RIGHTS, SLOTS_MAX, Application, Service
from bulkhead_host.system.names import KERNEL
from bulkhead_host.system.network import network_problems
from bulkhead_host.system.reading.pins import unfit_pins
from bulkhead_host.system.safe import safe_problems
from bulkhead_host.system.supervision import SUPERVISOR, supervision_problems
from bulkhead_host.system.uphill import cycles

SUPERVISOR_PRIORITY = 0
ASYNCIO = "asyncio"
_PLAIN_NAME = re.compile(r"[\w-]+", re.ASCII)

LINES_MAX = 28
"""Interrupt lines of one service: each has a notification bit, and the kernel's own is bit 28."""


@dataclass(frozen=True, kw_only=True)
class System:
    """What the checks look at: an application, the board it is for, and where problems go."""

    application: Application
    board: Board | None
    report: Report

    @property
    def services(self) -> dict[str, Service]:
        """The services by name, in start order."""
        return {service.name: service for service in self.application.services}

    def wrong(
        self,
        service: Service,
        keys: tuple[str | int, ...],
        text: str,
        next_step: str = "",
        *,
        is_warning: bool = False,
    ) -> None:
        """Report what is wrong with a key of a service's manifest."""
        line = service.line(*keys)
        self.report.add(service.manifest, line, text, next_step, is_warning=is_warning)


def check(application: Application, board: Board | None, report: Report) -> None:
    """Report all that cannot work, and warn of what is likely not meant.

    Without a board the checks of pins are left out.
    """
    system = System(application=application, board=board, report=report)
    for one in CHECKS:
        one(system)
    for one in LIKELY if not report.errors else ():
        one(system)


def check_supervisor(system: System) -> None:
    """Want a supervisor, most important of all, that waits for nobody."""
    document = system.application.document
    supervisor = system.services.get(SUPERVISOR)
    if supervisor is None:
        if system.services and SUPERVISOR not in system.application.missing:
            text = "the system has no supervisor: nothing would start the services"
            line = document.line("system", "start")
            system.report.add(document.path, line, text, 'add "supervisor" to system.start')
        return
    if supervisor.priority != SUPERVISOR_PRIORITY:
        text = f"the supervisor has priority {supervisor.priority}, and must have 0"
        system.wrong(supervisor, ("service", "priority"), text)
    for use in supervisor.uses:
        if use.rights & (RIGHTS["call"] | RIGHTS["send"]):
            text = f"the supervisor may not wait for {use.target}, nor send to it"
            system.wrong(supervisor, ("uses", use.handle), text, 'use ["notify"]')


def check_count(system: System) -> None:
    """Stay within the kernel's tables."""
    document = system.application.document
    count = len(system.application.services)
    if count >= abi.TASKS_MAX:
        text = f"more services than TASKS_MAX: {count}, and at most {abi.TASKS_MAX - 1} fit"
        system.report.add(document.path, document.line("system", "start"), text)
    for service in system.application.services:
        if len(service.lines) > LINES_MAX:
            text = f"{len(service.lines)} interrupt lines; a service has at most {LINES_MAX}"
            system.wrong(service, ("line", LINES_MAX), text)
        if len(service.uses) + len(service.lines) + service.slots > SLOTS_MAX:
            text = f"more than {SLOTS_MAX} capabilities"
            system.wrong(service, ("service", "slots"), text, "lower slots, or use fewer services")


def check_uses(system: System) -> None:
    """Let each capability name a service there is, and rights that it can grant."""
    for service in system.application.services:
        for use in service.uses:
            key = ("uses", use.handle)
            if use.target == KERNEL:
                if use.rights != RIGHTS["control"]:
                    system.wrong(service, key, 'kernel grants "control" and nothing else')
                continue
            target = system.services.get(use.target)
            if target is None:
                if use.target not in system.application.missing:
                    text = f"{service.name} uses {use.target}, which is not in the system"
                    system.wrong(service, key, text, "add it to system.start, or mend the name")
                continue
            if use.rights & RIGHTS["control"] and use.target != SUPERVISOR:
                text = f'only kernel and supervisor grant "control", not {use.target}'
                system.wrong(service, key, text)
            if use.rights & RIGHTS["send"] and target.mailbox is None:
                text = f"{service.name} sends to {use.target}, which has no mailbox"
                hint = f"add [mailbox] to {target.folder.name}/service.toml, or call it"
                system.wrong(service, key, text, hint)


def check_far(system: System) -> None:
    """Let a capability that reaches another board name a service there, to be called."""
    for service, handle, text, hint in far_problems(system.application.services):
        system.wrong(service, ("uses", handle), text, hint)


def check_handles(system: System) -> None:
    """Let a name stand for one capability: interrupt lines and [uses] share the names."""
    for service in system.application.services:
        taken = {use.handle for use in service.uses}
        for index, line in enumerate(service.lines):
            if line.name in taken:
                text = f"two capabilities of {service.name} are called {line.name}"
                system.wrong(service, ("line", index, "name"), text, "rename the line")
            taken.add(line.name)


def check_uphill(system: System) -> None:
    """Refuse cycles of calls: two services that wait for each other wait for ever."""
    for cycle in cycles(system.services):
        text = f"calls go in a cycle: {', '.join(cycle.steps)}"
        hint = "let one of them notify or send instead"
        system.wrong(cycle.service, ("uses", cycle.handle), text, hint)


def check_inversion(system: System) -> None:
    """Warn of calls that let a less important service hold up what is more important.

    A server runs at the priority of its most important caller, so that a call to a less
    important one is legal: nothing in between can come first. But each step of the server
    then takes its own budget at the caller's priority: one that is longer than the caller's
    delays all of that priority by more than its own services may.
    """
    wrong = {problem.path for problem in system.report.errors}  # whose values are not the file's
    for service in system.application.services:
        for use in service.uses:
            target = system.services.get(use.target)
            if target is None or not use.rights & RIGHTS["call"] or use.is_implied:
                continue
            if wrong & {service.manifest, target.manifest}:
                continue
            if target.priority > service.priority and target.budget_ms > service.budget_ms:
                text = (
                    f"priority inversion: {service.name} (priority {service.priority}) waits for "
                    f"{target.name} (priority {target.priority}), whose steps may take "
                    f"{target.budget_ms} ms at priority {service.priority} then; those of "
                    f"{service.name} may take {service.budget_ms} ms"
                )
                hint = f"send to {target.name}, or lower its budget_ms"
                system.wrong(service, ("uses", use.handle), text, hint, is_warning=True)


def check_budgets(system: System) -> None:
    """Let what services may use of their periods come to no more than there is."""
    total = 0.0
    shares = []
    for service in system.application.services:
        if not service.period_budget_ms:
            continue
        share = min(100.0, 100 * service.period_budget_ms / service.period_ms)
        shares.append(f"{service.name} {share:.0f} %")
        is_over = total <= 100 < total + share  # noqa: PLR2004  (of the processor)
        total += share
        if is_over:
            last = service
    if total > 100:  # noqa: PLR2004
        text = f"the budgets come to {total:.0f} % of the processor: {', '.join(shares)}"
        system.wrong(last, ("service", "period_budget_ms"), text, "lower one, or its priority")


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """One use of a pin or of an interrupt source: by whom, where, and whether as a line."""

    service: Service
    keys: tuple[str | int, ...]
    pin: str
    is_line: bool


def check_pins(system: System) -> None:
    """Want each pin on the board, and one owner for each pin and interrupt source."""
    owners: dict[int | str, _Claim] = {}
    for claim in _claims(system.application):
        place: int | str = claim.pin
        if claim.pin and system.board is not None:
            found = system.board.place(claim.pin)
            if found is None or (claim.is_line and isinstance(found, str)):
                what = "no pin" if found is None else "no interrupts from"
                text = f"board {system.board.name} has {what} {claim.pin}"
                hint = f"use one of {', '.join(system.board.pin_names)}"
                system.wrong(claim.service, claim.keys, text, hint)
                continue
            place = found
        first = owners.setdefault(place, claim)
        is_other = first.service is not claim.service
        if first is claim or not (is_other or first.is_line == claim.is_line):
            continue
        both = (
            f"{first.service.name} and to {claim.service.name}"
            if is_other
            else (f"{claim.service.name} twice")
        )
        if first.is_line and claim.is_line:
            what = f"the interrupt line of pin {claim.pin}" if claim.pin else "the console's input"
        else:
            what = f"pin {claim.pin}"
        other = f" ({first.pin} is the same pin)" if first.pin != claim.pin else ""
        system.wrong(claim.service, claim.keys, f"{what} belongs to {both}{other}")


def _claims(application: Application) -> Iterator[_Claim]:
    keys: tuple[str | int, ...]
    for service in application.services:
        for index, pin in enumerate(service.pins):
            keys = ("service", "pins", index)
            yield _Claim(service=service, keys=keys, pin=pin, is_line=False)
        for index, line in enumerate(service.lines):
            if line.pin or line.source == "console":
                keys = ("line", index, "pin" if line.pin else "source")
                yield _Claim(service=service, keys=keys, pin=line.pin, is_line=True)
            for key in ("rx", "tx"):
                if pin := getattr(line, key):
                    keys = ("line", index, key)
                    yield _Claim(service=service, keys=keys, pin=pin, is_line=False)
        named = (*service.pins, *(pin for line in service.lines for pin in line.pins))
        for pin in service.driven_pins:
            if pin not in named:
                yield _Claim(service=service, keys=("safe", pin), pin=pin, is_line=False)


def check_hard(system: System) -> None:
    """Let a hard driver have nothing that its steps, in the hardware interrupt, cannot serve."""
    for service, keys, text, hint in hard_problems(system.services, system.board):
        system.wrong(service, keys, text, hint)


def check_functions(system: System) -> None:
    """Want pins that can be what a driver makes of them."""
    if system.board is None:
        return
    for service in system.application.services:
        for index, text, hint in unfit_pins(service, system.board):
            system.wrong(service, ("service", "pins", index), text, hint)


def check_order(system: System) -> None:
    """Warn of a client that starts before its server, and would be told DEAD."""
    started: set[str] = set()
    for service in system.application.services:
        for use in service.uses:
            late = use.target in system.services and use.target not in started
            calls = use.rights & RIGHTS["call"] and not (
                use.is_implied or use.rights & RIGHTS["grant"]  # which it hands on
            )
            if late and calls and use.target != service.name:
                text = f"{service.name} calls {use.target}, which starts after it"
                hint = f"put {use.target} before {service.name} in system.start"
                system.wrong(service, ("uses", use.handle), text, hint, is_warning=True)
        started.add(service.name)


def check_heartbeats(system: System) -> None:
    """Warn of a heartbeat that a single call, which waits for its server, may outlast."""
    longest_ms = abi.CALL_TIMEOUT_US // 1000
    for service in system.application.services:
        calls = any(use.rights & RIGHTS["call"] and not use.is_implied for use in service.uses)
        if calls and 0 < service.heartbeat_ms < longest_ms:
            text = f"a call may wait {longest_ms} ms, and heartbeat_ms is {service.heartbeat_ms}"
            hint = f"heartbeat_ms = {2 * longest_ms}, or timeouts in the calls"
            system.wrong(service, ("service", "heartbeat_ms"), text, hint, is_warning=True)


def check_name(system: System) -> None:
    """Warn of a name that makes an awkward file name, and no word on a command line."""
    document = system.application.document
    name = system.application.name
    if name and not _PLAIN_NAME.fullmatch(name):
        text = f'system.name is "{name}": files, links and commands are named by it'
        line = document.line("system", "name")
        hint = "letters, digits, - and _ alone"
        system.report.add(document.path, line, text, hint, is_warning=True)


def check_watched(system: System) -> None:
    """Warn of a watchdog that waits less than the heartbeat which would mend the service."""
    watchdog = system.application.watchdog
    for name, period_ms in watchdog.periods_ms.items() if watchdog else ():
        service = system.services.get(name)
        if service and period_ms < service.heartbeat_ms:
            document = system.application.document
            text = f"the watchdog wants progress of {name} every {period_ms} ms, and its heartbeat"
            system.report.add(
                document.path,
                document.line("watchdog", "period_ms", name),
                f"{text} is {service.heartbeat_ms}",
                f"a period of {service.heartbeat_ms} or longer: the supervisor mends it first",
                is_warning=True,
            )


def check_safe(system: System) -> None:
    """Want to know of each pin that is driven what is safe, and that it can be so."""
    for service, keys, text, hint, is_warning in safe_problems(system.application, system.board):
        system.wrong(service, keys, text, hint, is_warning=is_warning)
    board, document = system.board, system.application.document
    for pin in system.application.resistors if board else ():
        if board and not isinstance(board.place(pin), int):
            text = f"board {board.name} has no pin {pin} of its chip"
            hint = f"use one of {', '.join((*board.names, *board.pins))}"
            system.report.add(document.path, document.line("resistors", pin), text, hint)


def check_sources(system: System) -> None:
    """Want a UART's pins to be one UART's, and one owner for each state machine."""
    owners: dict[int, str] = {}
    for service in system.application.services:
        for index, line in enumerate(service.lines):
            board = system.board
            known = board and None not in (board.place(line.rx), board.place(line.tx))
            if board and known and board.uart_of(line.rx, line.tx) is None:
                text = f"{line.rx} and {line.tx} are not rx and tx of one UART of {board.name}"
                system.wrong(service, ("line", index, "rx"), text)
            if line.source == "pio":
                owner = owners.setdefault(line.state_machine, service.name)
                if owner != service.name:
                    text = f"state machine {line.state_machine} belongs to {owner} already"
                    system.wrong(service, ("line", index, "state_machine"), text)
                if board and board.port != "rp2":
                    text = f"board {board.name} has no PIO"
                    system.wrong(service, ("line", index, "source"), text)


def check_timers(system: System) -> None:
    """Want no more timer lines than the board has timers beside the kernel's own."""
    if system.board is None:
        return
    most = system.board.timer_lines
    count = 0
    for service in system.application.services:
        for index, line in enumerate(service.lines):
            count += line.source == "timer"
            if line.source == "timer" and count == most + 1:
                text = f"more timers than board {system.board.name} has for lines, {most}"
                hint = "let a service sleep, or wait with a timeout, in place of a timer"
                system.wrong(service, ("line", index, "source"), text, hint)


def check_supervision(system: System) -> None:
    """Let groups, start order and watchdog name services there are, and make sense."""
    for document, keys, text, hint in supervision_problems(system.application):
        system.report.add(document.path, document.line(*keys), text, hint)


def check_asyncio(system: System) -> None:
    """Let one service use asyncio: it has one queue for the whole board, in its module."""
    users = [row for row in system.application.services if ASYNCIO in row.modules]
    for service in users[1:]:
        text = f"asyncio has one queue of tasks, and {users[0].name} uses it"
        system.wrong(
            service, ("service", "modules"), text, "put the two programs into one service"
        )


def check_network(system: System) -> None:
    """Let `net` alone have the network, and its clients say whom they reach."""
    for service, keys, text, hint in network_problems(system.services):
        system.wrong(service, keys, text, hint)


CHECKS: tuple[Callable[[System], None], ...] = (
    check_supervisor,
    check_count,
    check_uses,
    check_far,
    check_handles,
    check_uphill,
    check_inversion,
    check_budgets,
    check_pins,
    check_functions,
    check_safe,
    check_sources,
    check_timers,
    check_hard,
    check_supervision,
    check_asyncio,
    check_network,
)

LIKELY: tuple[Callable[[System], None], ...] = (
    check_order,
    check_heartbeats,
    check_name,
    check_watched,
)
"""What is looked at where nothing is wrong: all they say is a warning."""
