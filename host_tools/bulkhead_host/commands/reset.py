"""`bulkhead reset`: reset a board over the link, and wait until it is back."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.follow import await_return
from bulkhead_host.link.ports import Address, find_address, find_again, open_address
from bulkhead_host.link.services import Hello, is_another_run
from bulkhead_host.link.transport import LinkLost, Transport
from bulkhead_host.messages import teller

RETURN_TIMEOUT_S = 20.0
"""More than a board takes to boot, with a computer that has to find its USB port again."""

_BOOT_S_MIN = 0.1
_ASK_AGAIN_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Reset:
    """What was done: who was there before, who answers now, and after how many seconds."""

    before: Hello
    after: Hello
    seconds: float


def order_reset(port: str) -> tuple[Address, Hello]:
    """Tell the board at `port` to reset itself; return where it is, and who it was.

    Raises `NotPermitted` when it has another key, and `DeviceTimeout` when it does not answer.
    """
    address = find_address(port)
    line = open_address(address)
    try:
        client = Client(line)
        before = client.hello()
        with suppress(LinkLost):  # it has gone to do it
            client.reset()
    finally:
        line.close()
    return address, before


def await_reset(
    connect: Callable[[], Transport],
    before: Hello,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Hello:
    """Return what the board says that was `before`, once it has booted.

    `connect` opens its line, and raises `DeviceNotFound` while it is away. Raises `DeviceTimeout`
    when the board is not back in time.
    """
    began_s = clock_s()
    until_s = began_s + RETURN_TIMEOUT_S
    while (line := await_return(connect, clock_s, until_s, sleep)) is not None:
        try:
            hello = Client(line, timeout_s=_ASK_AGAIN_S).hello()
            passed_ms = 1000 * (clock_s() - began_s)
            if is_another_run(before.uptime_ms, hello.uptime_ms, passed_ms, 1000 * _BOOT_S_MIN):
                return hello
        except (LinkLost, DeviceTimeout):  # it is on its way, or back under another name
            pass
        finally:
            line.close()
        sleep(_ASK_AGAIN_S)
    raise DeviceTimeout(
        f"the board was not back within {RETURN_TIMEOUT_S:g} s",
        "unplug it and plug it in again; bulkhead doctor --port says what it does",
    )


def reset(port: str, *, on_order: Callable[[], None] = lambda: None) -> Reset:
    """Reset the board at `port`, and return once it answers again. Raises as the parts do.

    `on_order` is called when the board has taken the order.
    """
    began_s = time.monotonic()
    address, before = order_reset(port)
    on_order()
    after = await_reset(lambda: open_address(find_again(address)), before)
    return Reset(before=before, after=after, seconds=time.monotonic() - began_s)


@click.command("reset", epilog="Examples: bulkhead reset;  bulkhead reset --port a0 --no-wait")
@port_option
@click.option("--no-wait", is_flag=True, help="Leave as soon as the board has taken the order.")
def command(port: str, no_wait: bool) -> None:
    """Reset a board that runs Bulkhead, and wait until it is back.

    The whole chip is reset, by its watchdog, and the services start anew; what the store and the
    files keep, and code that was updated, stays. It takes the board's key. `bulkhead postmortem`
    tells a reset that was ordered from a crash. A board whose services do not answer is reset by
    mpremote, or by its button.
    """
    if no_wait:
        order_reset(port)
        click.echo("the board has taken the order to reset")
        return
    done = reset(port, on_order=lambda: teller("reset")("the board has taken the order"))
    hello = done.after
    click.echo(
        f"{hello.application} on {hello.board} was reset after "
        f"{done.before.uptime_ms / 1000:.1f} s, and answers after {done.seconds:.1f} s"
    )
