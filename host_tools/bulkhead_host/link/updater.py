"""Replaces the code of services on a running board, and takes it back.

An update is a transaction: of all its services the new code is used, or of none. The board checks
each `Bundle` against its signature, tries the new code and keeps it, or takes it back by itself.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client

PROBATION_MS = 5000
PROBATION_MS_MAX = 60_000
PIECE_BYTES = 320

_POLL_S = 0.1
_PATIENCE_S = 15.0
"""More than starting new code, and taking it back, may take beside the probation."""

_PROBATION_STRUCT = struct.Struct("<H")
_OFFSET_STRUCT = struct.Struct("<I")
_KEPT = "kept"
_FAILED = "failed"

Progress = Callable[[int, int], None]
"""Gets the bytes that the board has taken, and how many there are."""


class UpdateTakenBack(BulkheadError):
    """The new code was no good: the board has put the old code in place again."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """New code of one service: its signed head, and its files one after the other."""

    name: str
    version: int
    code: str
    head: bytes
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What code a service has: `slot` is where it is, `-` for the image; `before` a version."""

    name: str
    version: int
    code: str
    slot: str
    before: int | None


def nothing(_taken: int, _whole: int) -> None:
    """Drop progress."""


def list_code(client: Client, names: Iterable[str]) -> list[Listed]:
    """Return what code each of the named services has; the updater itself has no slots."""
    found = []
    for name in names:
        if name == "updater":
            continue
        text = client.update(abi.UPDATE_LIST, name.encode()).decode()
        version, code, slot, before = text.split(" ")
        found.append(
            Listed(
                name=name,
                version=int(version),
                code=code,
                slot=slot,
                before=None if before == "-" else int(before),
            )
        )
    return found


def send_update(
    client: Client,
    bundles: Sequence[Bundle],
    *,
    probation_ms: int = PROBATION_MS,
    progress: Progress = nothing,
    on_phase: Callable[[str], None] = lambda _phase: None,
) -> None:
    """Have the board use new code of some services, and wait until it has kept it.

    `progress` gets bytes sent, `on_phase` each of `abi.UPDATE_PHASES` as it is seen. Raises
    `UpdateRefused` when nothing was changed, `UpdateTakenBack` when the old code is back, and
    `DeviceTimeout` when the board does not say.
    """
    whole = sum(len(bundle.data) for bundle in bundles)
    taken = 0
    client.update(abi.UPDATE_BEGIN, _PROBATION_STRUCT.pack(probation_ms))
    for bundle in bundles:
        client.update(abi.UPDATE_ADD, bundle.head)
        for offset in range(0, len(bundle.data), PIECE_BYTES):
            piece = bundle.data[offset : offset + PIECE_BYTES]
            client.update(abi.UPDATE_DATA, _OFFSET_STRUCT.pack(offset) + piece)
            taken += len(piece)
            progress(taken, whole)
    _run_trial(client, abi.UPDATE_COMMIT, b"", probation_ms, on_phase)


def take_back(
    client: Client,
    names: Sequence[str],
    *,
    probation_ms: int = PROBATION_MS,
    on_phase: Callable[[str], None] = lambda _phase: None,
) -> None:
    """Have the board use the code that some services had before, as `send_update` does."""
    data = _PROBATION_STRUCT.pack(probation_ms) + "\0".join(names).encode()
    _run_trial(client, abi.UPDATE_ROLLBACK, data, probation_ms, on_phase)


def update_to_itself(
    client: Client, names: Sequence[str], *, probation_ms: int = PROBATION_MS
) -> None:
    """Have services go through an update to the code they have: shows that they can."""
    data = _PROBATION_STRUCT.pack(probation_ms) + "\0".join(names).encode()
    _run_trial(client, abi.UPDATE_AGAIN, data, probation_ms, lambda _phase: None)


def state(client: Client) -> tuple[str, str, int]:
    """Return the phase of the newest update, why it failed, and how many were refused."""
    answer = client.update(abi.UPDATE_STATE)
    size = abi.UPDATE_STATE_STRUCT.size
    phase, refused = abi.UPDATE_STATE_STRUCT.unpack(answer[:size])
    name = abi.UPDATE_PHASES[phase] if phase < len(abi.UPDATE_PHASES) else str(phase)
    return name, answer[size:].decode(errors="replace"), refused


def _run_trial(
    client: Client, operation: int, data: bytes, probation_ms: int, on_phase: Callable[[str], None]
) -> None:
    """Begin the trial, and wait for its end. What begins it is sent once only."""
    clock_s: Callable[[], Any] = client.transport.clock_s
    try:
        client.update(operation, data, attempts=1)
    except DeviceTimeout:
        on_phase("unknown")  # it may have begun: the state tells
    end_s = clock_s() + probation_ms / 1000 + _PATIENCE_S
    seen = ""
    while clock_s() < end_s:
        phase, reason, _ = state(client)
        if phase != seen:
            on_phase(phase)
            seen = phase
        if phase == _KEPT:
            return
        if phase == _FAILED:
            raise UpdateTakenBack(
                f"the old code is back: {reason}", "bulkhead fault SERVICE shows a traceback"
            )
        client.listen(_POLL_S)
    raise DeviceTimeout("the board does not say how the update ended", "bulkhead update --list")
