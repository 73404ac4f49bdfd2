"""`bulkhead why`: what a service waits for, and what that one waits for, to the end."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bulkhead_host.commands.options import connected, dump_option, port_option
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.facts import facts_line, read_facts
from bulkhead_host.link.services import Service, Table
from bulkhead_host.view.services import safe_text, seconds

_PLAIN = {
    "running": "runs",
    "receiving": "waits for messages and notifications: nothing is asked of it",
    "sleeping": "sleeps for a time",
    "closing": "is being ended: its last step runs its finally blocks",
    "ordering": "waits until another service has exchanged its code",
    "loading": "has begun, and waits until another service's module is loaded",
    "attending": "waits for its interrupt, at the hard level",
    "held": "is held: it was stopped on purpose, and waits to be released",
}
_GIVEN_UP = "was given up: {who} failed too often; release it to start it again"
_FOR_A_PEER = {
    "calling": "has called {peer}, which has not received the call yet",
    "served": "has called {peer}, which has received the call and owes the answer",
    "sending": "waits for room in the mailbox of {peer}",
}

_ENDS = {
    "faulted": "waits to be started again",
    "ended": "is not started again, as its manifest says",
}
_LOOKS = 4


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One service of a chain: its state, whom it waits for, and both in words."""

    service: str
    state: str
    waits_for: str | None
    text: str


def why(table: Table, name: str) -> list[Wait]:
    """Return the chain of waits that begins with the service `name`.

    It ends with a service that waits for no other, or where it goes in a circle. Raises
    `UsageError` that lists what there is when the name is unknown.
    """
    table.find(name)
    chain: list[Wait] = []
    next_name: str | None = name
    while next_name is not None:
        if next_name in (wait.service for wait in chain):
            chain.append(Wait(service=next_name, state="", waits_for=None, text="a circle"))
            break
        service = table.named(next_name)
        if service is None:  # it has gone since
            break
        peer = service.waits_for if service.state in _FOR_A_PEER else None
        chain.append(
            Wait(
                service=service.name,
                state=service.state,
                waits_for=peer,
                text=explain(service, table),
            )
        )
        next_name = peer
    return chain


def explain(service: Service, table: Table) -> str:
    """Return in words what one service waits for, and who waits for it."""
    text = _state(service, table)
    if service.safe_since_ms is not None:
        passed_ms = max(table.uptime_ms - service.safe_since_ms, 0)
        text += f"; its outputs are {safe_text(service)}, for {seconds(passed_ms)} s"
    if service.effective_priority < service.priority:
        text += f"; runs at priority {service.effective_priority} for who waits for it"
    waiting = [
        one.name
        for one in table.services
        if one.waits_for == service.name and one.state in _FOR_A_PEER
    ]
    if waiting:
        text += f"; {', '.join(waiting)} wait{'s' if len(waiting) == 1 else ''} for it"
    return text


def _state(service: Service, table: Table) -> str:
    if service.state in _FOR_A_PEER:
        return _FOR_A_PEER[service.state].format(peer=service.waits_for)
    if service.state == "ready":
        ahead = [
            one.name
            for one in table.services
            if one is not service
            and one.state in ("ready", "running")
            and one.effective_priority <= service.effective_priority
        ]
        return f"is ready, behind {', '.join(ahead)}" if ahead else "is ready, and is next to run"
    if service.state in _ENDS:
        ended = "has run to its end" if service.is_done else f"has failed ({service.fault})"
        return f"{ended} and {_ENDS[service.state]}"
    if service.state == "dormant":
        return "was not started yet, or was stopped and waits to be started again"
    if service.state == "degraded":
        others = "another of its group"
        return _GIVEN_UP.format(who=f"it, or {others}," if service.fault else others)
    return _PLAIN.get(service.state, f"is {service.state}")


def _settled(client: Client, name: str) -> Table:
    """Return the table of a live board once the service is not merely about to run.

    One may be ready only because the board is answering: it has run by the next answer.
    """
    table = client.table()
    for _ in range(_LOOKS - 1):
        service = table.named(name)
        if service is None or service.state != "ready":
            break
        table = client.table()
    return table


@click.command(
    "why",
    epilog="Examples: bulkhead why blink;  bulkhead why blink --dump crash.json --json",
)
@click.argument("name", metavar="SERVICE")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
@dump_option
def command(name: str, wants_json: bool, port: str, dump_file: Path | None) -> None:
    """Explain what SERVICE waits for, and the chain of waits behind it.

    A service on a live board is seen at one moment: ask again to see whether it stays so. The last
    line says what the board has left, and what ended its last run.
    """
    if dump_file is not None:
        dump = load_dump(dump_file)
        table, facts = dump.table, dump.facts
    else:
        with connected(port) as client:
            client.hello()
            table = _settled(client, name)
            facts = read_facts(client, table)
    chain = why(table, name)
    if wants_json:
        click.echo(json.dumps([asdict(wait) for wait in chain], indent=1))
        return
    for depth, wait in enumerate(chain):
        click.echo(f"{'  ' * depth}{wait.service} {wait.text}")
    if line := facts_line(facts):
        click.echo(f"board: {line}")
