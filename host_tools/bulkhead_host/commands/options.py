"""Options that several commands share, and what stands behind them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import AUTO, ENVIRONMENT_VARIABLE, open_port

_Command = TypeVar("_Command", bound=Callable[..., Any])


def port_option(command: _Command) -> _Command:
    """Add `--port`, which also comes from the environment."""
    return click.option(
        "--port",
        envvar=ENVIRONMENT_VARIABLE,
        default=AUTO,
        show_default=True,
        show_envvar=True,
        help="The board: auto, id:SERIAL, a0, u0, a path, a pseudo-terminal or socket://HOST:PORT.",
    )(command)


@contextmanager
def connected(port: str) -> Iterator[Client]:
    """Give a client of the board at `port`, whose port is closed in the end."""
    transport = open_port(port)
    try:
        yield Client(transport)
    finally:
        transport.close()
