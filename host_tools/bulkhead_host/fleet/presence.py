"""What boards say of themselves at a broker, where nobody asks them: retained and signed.

A status tells how a board was when it said so. The broker cannot make one up, nor one board's
another's; it may keep an old one, or say that a board is gone.
"""

import json
from dataclasses import dataclass, field

from bulkhead_host import abi
from bulkhead_host.link.services import printable

SAID = "said"
GONE = "gone"
FORGED = "forged"
NEVER = "never"
"""Of a board that has said nothing, or of which the broker does not say so."""

_MAC = b',"mac":"'
_MAC_BYTES = 16
_GONE = b"gone"


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A board's status. `state` says what it is worth; without SAID nothing else is known."""

    board: str
    state: str
    kind: str = ""
    application: str = ""
    version: str = ""
    image: str = ""
    boot: str = ""
    uptime_s: int = 0
    faults: int = 0
    services: dict[str, int] = field(default_factory=dict)


def parse_presence(board: str, payload: bytes | None, key: bytes) -> Presence:
    """Return what a retained status says; None stands for there being none."""
    if not payload:
        return Presence(board=board, state=NEVER)
    if payload == _GONE:
        return Presence(board=board, state=GONE)
    text, _, mac = payload.rpartition(_MAC)
    expected = abi.keyed_hash(key, b"status" + text)[:_MAC_BYTES].hex().encode() + b'"}'
    if not abi.is_same(mac, expected):
        return Presence(board=board, state=FORGED)
    said = json.loads(text + b"}")
    if said.get("board") != board:
        return Presence(board=board, state=FORGED)
    return Presence(
        board=board,
        state=SAID,
        kind=printable(str(said["kind"])),
        application=printable(str(said["application"])),
        version=printable(str(said["version"])),
        image=printable(str(said["image"])),
        boot=printable(str(said["boot"])),
        uptime_s=int(said["uptime_s"]),
        faults=int(said["faults"]),
        services={printable(name): int(version) for name, version in said["services"].items()},
    )
