"""`bulkhead inject`: make a service fail in a chosen way."""

import random

import click

from bulkhead_host import abi
from bulkhead_host.campaign.kinds import KILL_IN_UPDATE, KINDS
from bulkhead_host.commands.options import connected, port_option
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import Service, Table
from bulkhead_host.link.updater import KILL_S_MAX, UpdateTakenBack, kill_in_update

NAMES = (*(name for name in abi.INJECTION_NAMES if name), KILL_IN_UPDATE)
"""What can be done to any board by its service. A campaign has more kinds."""

PROBATION_MS = 1000


def inject(client: Client, kind: str, target: str) -> str:
    """Make the service `target` fail in the way `kind`; return what was asked, for a person.

    Raises `UsageError` that lists what there is when either is unknown, and `BulkheadError`
    when the service is not in a state to fail. When the answer is lost, as it is with the
    service that answers, the target's generation tells whether it was done.
    """
    _check_kind(kind)
    client.hello()
    before = _named(client.table(), target)
    if kind == KILL_IN_UPDATE:
        return _killed_in_update(client, before)
    try:
        client.inject(target, kind)
    except NoSuchTarget:
        state = _named(client.table(), target).state
        raise BulkheadError(
            f"{target} cannot be made to fail now: it is {state}", "see what holds it: bulkhead ps"
        ) from None
    except DeviceTimeout as error:
        if not _has_failed_since(client, before):
            raise error from None
    return f"asked {target} to {KINDS[kind].meaning}"


def _killed_in_update(client: Client, before: Service) -> str:
    """Kill a service near the beginning of an update to the code it has; tell what came of it."""
    name = before.name
    try:
        after_s = random.uniform(0, KILL_S_MAX)
        kill_in_update(client, name, after_s=after_s, probation_ms=PROBATION_MS).wait()
        outcome = "the new code was kept"
    except UpdateTakenBack as error:
        outcome = error.cause
    after = _named(client.table(), name)
    if after.generation == before.generation and outcome.endswith("kept"):
        raise BulkheadError(f"{name} was updated, and not killed", "try it again")
    return (
        f"killed {name} while new code was put in its place: {outcome}; "
        f"generation {before.generation} -> {after.generation}"
    )


def _named(table: Table, target: str) -> Service:
    service = table.named(target)
    if service is None:
        known = ", ".join(table.names)
        raise UsageError(f"the board has no service {target!r}", f"one of: {known}")
    return service


def _has_failed_since(client: Client, before: Service) -> bool:
    try:
        after = client.table().named(before.name)
    except DeviceTimeout:
        return False
    return after is not None and after.generation != before.generation


def _check_kind(kind: str) -> None:
    if kind not in NAMES:
        raise UsageError(f"there is no injection {kind!r}", f"one of: {', '.join(NAMES)}")


_ROWS = "\n".join(
    f"{name:<15}{KINDS[name].meaning}: {' or '.join(KINDS[name].faults) or 'no fault'}"
    for name in NAMES
)
_HELP = f"""Make a service on a board fail in a chosen way; each works on any board.

The supervisor restarts it as its manifest says: watch with `bulkhead monitor`, or compare GEN
and FAULT in `bulkhead ps` before and after. What happens at the next reply, or step, waits for it.
`bulkhead campaign` has more kinds, of which some take an emulated board.

\b
{_ROWS}
"""


@click.command(
    "inject", help=_HELP, epilog="Example: bulkhead inject spin --target blink --port a0"
)
@click.argument("kind", metavar="KIND")
@click.option("--target", required=True, metavar="NAME", help="The service to make fail.")
@port_option
def command(kind: str, target: str, port: str) -> None:
    """Make a service fail, and print what was asked."""
    _check_kind(kind)  # before the port is opened
    with connected(port) as client:
        click.echo(inject(client, kind, target))
