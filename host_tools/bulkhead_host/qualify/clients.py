"""The desk's clients on a board that runs Bulkhead: the link's, and at a port others'."""

import subprocess
from collections.abc import Callable, Iterator

from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import Table
from bulkhead_host.link.tool import command as tool_command
from bulkhead_host.link.trace import check_not_empty, collect
from bulkhead_host.qualify.desks import Desk
from bulkhead_host.qualify.verdicts import Row, failed, judged, passed
from bulkhead_host.view.services import STOPPED_STATES

PART = "clients"
_VICTIM = "blink"
_TRACE_S = 0.3
_POLL_S = 0.05
_BACK_S = 10.0
_BOOT_S = 60.0
_TOOL_S = 120
_TOOLS = {
    "mpremote: a program beside the services": (
        *("mpremote", "connect", "{port}", "resume", "exec", "print(6 * 7)"),
    ),
    "ampy: the files": ("ampy.cli", "--port", "{port}", "ls"),
}


def look(desk: Desk) -> Iterator[Row]:
    """Yield what the link's client can do with the board, then what other programs can."""
    client = Client(desk.line)
    for name, ask in (
        ("hello", _hello),
        ("services", _services),
        ("a crash and its restart", _crash),
        ("trace", _trace),
        ("heap", _heap),
    ):
        yield _tried(name, ask, client)
    if not desk.port:
        return
    desk.close()
    for name, words in _TOOLS.items():
        yield _tool(name, [word.format(port=desk.port) for word in words])


def _tried(name: str, ask: Callable[[Client], str], client: Client) -> Row:
    try:
        return passed(PART, name, ask(client))
    except BulkheadError as error:
        return failed(PART, name, error.cause)


def _hello(client: Client) -> str:
    """Wait for the services of a board that has just been flashed."""
    until_s = client.transport.clock_s() + _BOOT_S
    while True:
        try:
            hello = client.hello()
            break
        except DeviceTimeout:
            if client.transport.clock_s() >= until_s:
                raise
    return f"{hello.application} on {hello.board}, Bulkhead {hello.version}"


def _services(client: Client) -> str:
    until_s = client.transport.clock_s() + _BACK_S
    while True:
        table = client.table()
        stopped = [one.name for one in table.services if one.state in STOPPED_STATES]
        if not stopped:
            return f"{len(table.services)} run"
        if client.transport.clock_s() >= until_s:
            raise BulkheadError(f"not running: {', '.join(stopped)}")
        client.listen(_POLL_S)


def _crash(client: Client) -> str:
    before = client.table()
    client.inject(_VICTIM, "crash")
    until_s = client.transport.clock_s() + _BACK_S
    while client.transport.clock_s() < until_s:
        client.listen(_POLL_S)
        now = client.table()
        if _generation(now, _VICTIM) > _generation(before, _VICTIM):
            others = [name for name in before.names if name != _VICTIM]
            touched = [
                name for name in others if _generation(now, name) != _generation(before, name)
            ]
            if touched:
                raise BulkheadError(f"the crash of {_VICTIM} has restarted {', '.join(touched)}")
            return client.fault_text(_VICTIM).strip().splitlines()[-1]
    raise BulkheadError(f"{_VICTIM} was not started again within {_BACK_S:g} s")


def _generation(table: Table, name: str) -> int:
    service = table.named(name)
    return service.generation if service is not None else -1


def _trace(client: Client) -> str:
    found = collect(client, seconds=_TRACE_S)
    check_not_empty(found)
    return f"{len(found.records)} records"


def _heap(client: Client) -> str:
    return f"{client.heap_free()} bytes free"


def _tool(name: str, words: list[str]) -> Row:
    command = [*tool_command(words[0]), *words[1:]]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_TOOL_S,
        )
    except subprocess.TimeoutExpired:
        return failed(PART, name, f"it did not end within {_TOOL_S} s")
    said = (done.stdout if done.returncode == 0 else done.stderr).strip() or "nothing printed"
    return judged(PART, name, done.returncode == 0, said.splitlines()[-1])
