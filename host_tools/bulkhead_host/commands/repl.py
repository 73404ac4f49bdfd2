"""`bulkhead repl`: open the prompt of a board; its services go on."""

import subprocess
import sys

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.network import is_network, parse_place
from bulkhead_host.link.ports import find_address, open_address
from bulkhead_host.link.tool import command as tool_command
from bulkhead_host.messages import teller

_RESUME = b"\r\x03from bulkhead_resume import resume;resume()\r"
_ANSWER_TIMEOUT_S = 1.0
_MESSAGE = "the services go on; Ctrl-] leaves"


def open_prompt(url: str) -> None:
    """Give the terminal to mpremote's REPL on a port, until Ctrl-]."""
    command = [*tool_command("mpremote"), "connect", url, "resume", "repl"]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise BulkheadError(f"mpremote ended with {done.returncode}", "bulkhead doctor")


def give_back(client: Client) -> bool:
    """Leave a board that sits at its prompt to its services; return whether it sat there.

    Types the `resume()` that the image's `main.py` has for it.
    """
    try:
        client.hello()
    except DeviceTimeout:
        client.transport.write(_RESUME)
        client.hello()
        return True
    return False


def check_cable(url: str) -> None:
    """Raise `UsageError` for a line of a network: no prompt is to be had there."""
    if is_network(url):
        raise UsageError(
            f"{parse_place(url).name} is a line of a network, which has no prompt",
            "plug a cable in, and name its port: bulkhead devs",
        )


@click.command("repl", epilog="Examples: bulkhead repl;  bulkhead repl --port a0 --stay")
@port_option
@click.option("--stay", is_flag=True, help="Leave the board at its prompt in the end.")
def command(port: str, stay: bool) -> None:
    """Open the prompt of a board, with mpremote; its services go on meanwhile.

    Ctrl-C at a running board leads to the prompt; Ctrl-] leaves it. Afterwards the board is told
    to resume, so that it answers the other commands again, unless --stay is given.
    """
    if not sys.stdin.isatty():
        raise UsageError("a prompt takes a terminal", "for scripts: mpremote resume exec CODE")
    url = find_address(port).url
    check_cable(url)
    teller("bulkhead")(_MESSAGE)
    open_prompt(url)
    if stay:
        return
    transport = open_address(find_address(port))
    try:
        if give_back(Client(transport, timeout_s=_ANSWER_TIMEOUT_S)):
            teller("bulkhead")("the services have the board again")
    finally:
        transport.close()
