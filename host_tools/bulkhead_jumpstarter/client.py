"""What a test, or a person at `j`, has of a board that somebody exports."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from jumpstarter_driver_composite.client import CompositeClient
from jumpstarter_driver_network.adapters import TcpPortforwardAdapter

from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import open_port
from pytest_bulkhead.kernel import Kernel


@dataclass(kw_only=True)
class BulkheadClient(CompositeClient):
    """A board's client: what services say, and `kernel`, the fixture of that name."""

    def hello(self) -> dict[str, Any]:
        """Return who answers."""
        found: dict[str, Any] = self.call("hello")
        return found

    def services(self) -> list[dict[str, Any]]:
        """Return all services as they are now."""
        found: list[dict[str, Any]] = self.call("services")
        return found

    def fault(self, name: str) -> str:
        """Return the traceback of a service's newest fault."""
        return str(self.call("fault", name))

    def inject(self, kind: str, target: str) -> None:
        """Make a service fail."""
        self.call("inject", kind, target)

    def reset_board(self) -> float:
        """Reset the board; return after how many seconds it answers again."""
        return float(self.call("reset_board"))

    @contextmanager
    def forwarded(self) -> Iterator[str]:
        """Give a URL of the loopback at which any tool has the board, for `bulkhead --port`."""
        with TcpPortforwardAdapter(client=self.children["serial"]) as address:
            yield f"socket://{address[0]}:{address[1]}"

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """Give services, faults, restarts and log, as the fixture of that name does."""
        with self.forwarded() as url:
            line = open_port(url)
            log: list[str] = []
            try:
                yield Kernel(Client(line, on_output=log.append), log)
            finally:
                line.close()

    def cli(self) -> click.Group:
        """Return the commands for `j`, the children's among them."""
        base: click.Group = super().cli()

        @base.command()
        def ps() -> None:
            """List the services, as JSON."""
            click.echo(json.dumps(self.services(), indent=1))

        @base.command()
        @click.argument("service")
        def fault(service: str) -> None:
            """Show a service's newest fault."""
            click.echo(self.fault(service))

        @base.command()
        @click.argument("kind")
        @click.argument("target")
        def inject(kind: str, target: str) -> None:
            """Make a service fail."""
            self.inject(kind, target)

        @base.command()
        def reset() -> None:
            """Reset the board, and wait until it is back."""
            click.echo(f"back after {self.reset_board():.1f} s")

        return base
