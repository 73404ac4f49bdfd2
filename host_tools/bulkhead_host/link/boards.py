"""Which boards there are, and what runs on them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bulkhead_host.abi import key_mark
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.key import device_key
from bulkhead_host.link.ports import UsbPort, open_port, usb_ports
from bulkhead_host.link.services import Hello, Losses

_ANSWER_TIMEOUT_S = 0.5

OPEN = "open"
YOUR_KEY = "your key"
ANOTHER_KEY = "another key"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A port and who is there. Without `hello`, `problem` says why; both are None when not asked.

    Only ports of MicroPython's own are asked, and those named: what stands behind another
    might take a request for something else. A board that is closed to us has a `hello` and a
    `problem`.
    """

    port: str
    serial_number: str = ""
    description: str = ""
    hello: Hello | None = None
    services: tuple[str, ...] = ()
    losses: Losses | None = None
    problem: str | None = None

    @property
    def access(self) -> str | None:
        """Who may change what runs there: `OPEN` is everybody; None where nobody answers."""
        if self.hello is None:
            return None
        if not self.hello.key_mark:
            return OPEN
        return YOUR_KEY if self.hello.key_mark == key_mark(device_key()).hex() else ANOTHER_KEY


def find_boards(
    names: Sequence[str] = (), *, list_usb: Callable[[], Sequence[UsbPort]] = usb_ports
) -> Iterator[Found]:
    """Give each USB serial port and what runs there, then the ports that `names` names."""
    listed = list_usb()
    for port in listed:
        base = Found(
            port=port.device, serial_number=port.serial_number, description=port.description
        )
        is_named = port.device in names
        yield _asked(base) if port.is_micropython or is_named else base
    for name in names:
        if name not in [port.device for port in listed]:
            yield _asked(Found(port=name, description="named"))


def _asked(found: Found) -> Found:
    try:
        transport = open_port(found.port)
    except BulkheadError as error:
        return replace(found, problem=error.cause)
    try:
        client = Client(transport, timeout_s=_ANSWER_TIMEOUT_S)
        found = replace(found, hello=client.hello())
        table = client.table()
        return replace(found, services=tuple(table.names), losses=table.losses)
    except BulkheadError as error:
        return replace(found, problem=error.cause)
    finally:
        transport.close()
