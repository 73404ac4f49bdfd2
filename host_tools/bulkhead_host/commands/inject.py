"""`bulkhead inject`: make a board or its service fail in a chosen way."""

import random
from contextlib import suppress

import click

from bulkhead_host import abi
from bulkhead_host.campaign.kinds import KILL_IN_UPDATE, KINDS
from bulkhead_host.campaign.noise import noise
from bulkhead_host.commands.options import connected, port_option
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.client import Client, NoSuchTarget, NotNow
from bulkhead_host.link.services import Service
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.link.updater import KILL_S_MAX, UpdateTakenBack, kill_in_update
from bulkhead_host.view.services import STOPPED_STATES

BOARD_NAMES = ("supervisor-kill", "watchdog-starvation", "clock-jump", "link-noise", "reset")
"""What can be done to any board itself."""

NAMES = (
    *(name for name in abi.INJECTION_NAMES if name and name not in BOARD_NAMES),
    KILL_IN_UPDATE,
)
"""What can be done to a service on any board. A campaign has more kinds."""

_MEANINGS = {
    "lost-interrupt": "miss its next interrupt",
    "interrupt-storm": "be told of an interrupt more than its line may fire",
    "clock-jump": "nothing runs for 1 s",
    "reset": "the board resets itself",
}
_AS_OF_A_SERVICE = {
    "supervisor-kill": ("supervisor", "crash"),
    "watchdog-starvation": ("watchdog", "hang"),
    "clock-jump": ("console", "clock-jump"),
}

PROBATION_MS = 1000


def inject(client: Client, kind: str, target: str | None = None) -> str:
    """Make a board, or its service `target`, fail in a way; return what was asked, for a person.

    Raises `UsageError` that lists what there is when either is unknown, and `BulkheadError`
    when the service is not in a state to fail. When the answer is lost, as it is with the
    service that answers, the target's generation tells whether it was done.
    """
    _check_kind(kind, target)
    client.hello()
    if target is not None:
        return _inject(client, kind, target)
    if kind in _AS_OF_A_SERVICE:
        _inject(client, _AS_OF_A_SERVICE[kind][1], _AS_OF_A_SERVICE[kind][0])
    elif kind == "reset":
        with suppress(LinkLost):  # it has gone to do it
            client.reset()
    else:
        client.transport.write(noise(random.Random()))
        client.hello()
    return f"{kind}: {_meaning(kind)}"


def _inject(client: Client, kind: str, target: str) -> str:
    before = client.table().find(target)
    if kind == KILL_IN_UPDATE:
        return _killed_in_update(client, before)
    try:
        _order(client, kind, target)
    except DeviceTimeout as error:
        if not _has_failed_since(client, before):
            raise error from None
    return f"asked {target} to {_meaning(kind)}"


def _order(client: Client, kind: str, target: str) -> None:
    """Give the order; say of a service that cannot fail in that way in what state it is."""
    try:
        client.inject(target, kind)
    except NotNow:
        raise
    except NoSuchTarget:
        state = client.table().find(target).state
        when = "now" if state in STOPPED_STATES else "in that way"
        raise BulkheadError(
            f"{target} cannot be made to fail {when}: it is {state}",
            "see what holds it: bulkhead ps",
        ) from None


def _killed_in_update(client: Client, before: Service) -> str:
    """Kill a service near the beginning of an update to the code it has; tell what came of it."""
    name = before.name
    try:
        after_s = random.uniform(0, KILL_S_MAX)
        kill_in_update(client, name, after_s=after_s, probation_ms=PROBATION_MS).wait()
        outcome = "the new code was kept"
    except UpdateTakenBack as error:
        outcome = error.cause
    after = client.table().find(name)
    if after.generation == before.generation and outcome.endswith("kept"):
        raise BulkheadError(f"{name} was updated, and not killed", "try it again")
    return (
        f"killed {name} while new code was put in its place: {outcome}; "
        f"generation {before.generation} -> {after.generation}"
    )


def _has_failed_since(client: Client, before: Service) -> bool:
    try:
        after = client.table().named(before.name)
    except DeviceTimeout:
        return False
    return after is not None and after.generation != before.generation


def _check_kind(kind: str, target: str | None) -> None:
    if kind in BOARD_NAMES and target is not None:
        raise UsageError(f"{kind} is of the board, not of {target}", "leave --target out")
    if kind not in (*NAMES, *BOARD_NAMES):
        known = ", ".join((*NAMES, *BOARD_NAMES))
        raise UsageError(f"there is no injection {kind!r}", f"one of: {known}")
    if kind in NAMES and target is None:
        raise UsageError(f"{kind} is of a service, and none is named", "add --target NAME")


def _meaning(kind: str) -> str:
    """Return what a kind does, in words, where a board does it by itself."""
    return _MEANINGS.get(kind, KINDS[kind].meaning)


def _rows(names: tuple[str, ...]) -> str:
    return "\n".join(
        f"{name:<20}{_meaning(name)}: {' or '.join(KINDS[name].faults) or 'no fault'}"
        for name in names
    )


_HELP = f"""Make a board, or a service on it, fail in the way KIND, which works on any board.

The supervisor restarts the service as its manifest says: watch with `bulkhead monitor`, or compare
GEN and FAULT in `bulkhead ps` before and after. What happens at the next reply, interrupt or step
waits for it. `bulkhead campaign` has more kinds, and injects many.

Of a service, which `--target` names:

\b
{_rows(NAMES)}

Of the board:

\b
{_rows(BOARD_NAMES)}
"""


@click.command(
    "inject", help=_HELP, epilog="Example: bulkhead inject spin --target blink --port a0"
)
@click.argument("kind", metavar="KIND")
@click.option("--target", metavar="NAME", help="The service to make fail.")
@port_option
def command(kind: str, target: str | None, port: str) -> None:
    """Make a board or a service fail, and print what was asked."""
    _check_kind(kind, target)  # before the port is opened
    with connected(port) as client:
        click.echo(inject(client, kind, target))
