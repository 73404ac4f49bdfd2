"""`bulkhead postmortem`: what ended a board's last run, and what has failed since."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bulkhead_host import abi
from bulkhead_host.commands.fault import BOARD, summary
from bulkhead_host.commands.options import connected, dump_option, port_option
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import Dump, kept_faults, load_dump
from bulkhead_host.link.services import Fault, Hello, Table

_ADVICE = {
    abi.SUPERVISOR_DIED: "it failed too often in a short time for the kernel to go on; its "
    "faults are in the log of that run",
    abi.KILLS_CAUGHT: "it ran beyond its budget and caught each attempt to stop it: look for "
    "`except:` or `except BaseException` in its loop",
    abi.WATCHDOG_FIRED: "nothing fed the watchdog: look for a long C call or an interrupt handler "
    "that does not end, in what ran then",
    abi.GIVEN_UP: "it failed more often than its manifest allows, and on_giving_up is reset; its "
    "faults are in the log of that run",
    abi.NO_PROGRESS: "it is critical (system.toml, [watchdog]) and made none for the whole of "
    "timeout_ms: see what it waited for",
    abi.DISORDER: "a word of the kernel had changed by itself: look for code that writes to "
    "memory by address, and at the power supply",
    abi.PROCESSOR_FAULT: "what ran used an address that is none: look for viper code, "
    "`machine.mem32` and native code in it",
    abi.ORDERED: "whoever has the board's key has asked for the reset: nothing is wrong",
}


@dataclass(frozen=True, kw_only=True)
class Postmortem:
    """What is known of a reset: `crash` is what ended the last run, None if nothing did.

    `advice` says what that means, `since` has the faults of this run by service.
    """

    hello: Hello
    table: Table
    crash: Fault | None
    advice: str
    since: Mapping[str, Fault]


def postmortem(client: Client) -> Postmortem:
    """Ask a board."""
    hello, table = client.hello(), client.table()
    faults = {name: kept.record for name, kept in kept_faults(client, table).items()}
    return _judged(hello, table, faults)


def dumped_postmortem(dump: Dump) -> Postmortem:
    """Return the same from a dump."""
    faults = {name: kept.record for name, kept in dump.faults.items()}
    return _judged(dump.hello, dump.table, faults)


def _judged(hello: Hello, table: Table, faults: dict[str, Fault]) -> Postmortem:
    crash = faults.pop(BOARD, None)
    advice = _ADVICE.get(crash.kind, "") if crash else ""
    return Postmortem(hello=hello, table=table, crash=crash, advice=advice, since=faults)


def report(found: Postmortem) -> list[str]:
    """Return the lines that tell it to a person."""
    hello = found.hello
    lines = [f"{hello.application} on {hello.board}, up for {hello.uptime_ms / 1000:.1f} s"]
    crash = found.crash
    if crash is None:
        lines.append("the last run was not ended by a crash: power-on, or a reset from outside")
    else:
        lines.append(summary(crash, BOARD, found.table))
        given = abi.status_name(crash.operation)
        lines.append(f"what ran was {crash.state}; its last trap had given it {given}")
        if found.advice:
            lines.append(f"meaning: {found.advice}")
    lines += [summary(fault, name, found.table) for name, fault in found.since.items()]
    if not found.since:
        lines.append("no service has failed since")
    return lines


@click.command(
    "postmortem",
    epilog="Examples: bulkhead postmortem --port a0;  bulkhead postmortem --dump crash.json",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
@dump_option
def command(wants_json: bool, port: str, dump_file: Path | None) -> None:
    """Tell what ended a board's last run, and which services have failed since.

    The kernel keeps the record of a crash in memory that a reset leaves alone: which task ran, in
    which state, and why the run ended. `bulkhead fault SERVICE` has the whole traceback of a
    fault since.
    """
    if dump_file is not None:
        found = dumped_postmortem(load_dump(dump_file))
    else:
        with connected(port) as client:
            found = postmortem(client)
    if wants_json:
        known = asdict(found)
        del known["table"]
        click.echo(json.dumps(known, indent=1))
        return
    for line in report(found):
        click.echo(line)
