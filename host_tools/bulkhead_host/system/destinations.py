"""What a manifest's [net] says: whom a service may speak to over the network, where it listens.

    [net]
    tcp = ["10.0.2.2:1883"]
    udp = ["10.0.2.2:5005"]
    tls = ["broker.example:8883"]
    listen = [80]

A host is an address or a name, as the service gives it when it connects, or `*` for any.
"""

import ipaddress
import re
from dataclasses import dataclass

from bulkhead_host.system.fields import Fields

TCP, UDP, LISTEN, TLS = 1, 2, 3, 4
"""Kinds of destinations; the numbers are those of `services/net/api.py` and `rules.py`."""

KEYS = {"tcp": TCP, "udp": UDP, "tls": TLS}
ANY = "*"
PORT_MAX = 65_535
HOST_BYTES_MAX = 64
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One that a service may use; `host` is empty for a port it listens at."""

    kind: int
    host: str = ""
    port: int


def read_destinations(top: Fields) -> tuple[Destination, ...]:
    """Return what [net] of a manifest allows; report what cannot be read."""
    if "net" not in top.values:
        return ()
    table = top.table("net")
    table.only(*KEYS, "listen")
    found = [
        destination
        for key, kind in KEYS.items()
        for text in table.texts(key)
        if (destination := _destination(table, key, kind, text)) is not None
    ]
    ports = table.values.get("listen", [])
    if not isinstance(ports, list) or not all(_is_port(port) for port in ports):
        table.wrong("listen", f"an array of ports, from 1 to {PORT_MAX}")
        ports = []
    return (*found, *(Destination(kind=LISTEN, port=port) for port in ports))


def _destination(table: Fields, key: str, kind: int, text: str) -> Destination | None:
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and _is_port(int(port)) and is_host(host)):
        table.problem(
            key,
            f'"{text}" is no destination',
            'write a host in small letters and a port: "10.0.2.2:1883", "broker.example:1883"',
        )
        return None
    return Destination(kind=kind, host=host, port=int(port))


def is_host(text: str) -> bool:
    """Tell whether a text is an IPv4 address, a name in small letters, or ANY."""
    if text == ANY:
        return True
    if len(text) > HOST_BYTES_MAX or not _NAME.fullmatch(text):
        return False
    if text.rpartition(".")[2].isdecimal():  # no name ends in digits: RFC 1123, 2.1
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
    return True


def _is_port(value: object) -> bool:
    return type(value) is int and 1 <= value <= PORT_MAX
