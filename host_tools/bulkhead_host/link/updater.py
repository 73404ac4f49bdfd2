"""Replaces the code of services on a running board, and takes it back.

An update is a transaction: of all its services the new code is used, or of none. The board checks
each `Bundle` against its signature, tries the new code and keeps it, or takes it back by itself.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import printable, split

PROBATION_MS = 5000
PROBATION_MS_MAX = 60_000
PIECE_BYTES = 320

KILL_S_MAX = 0.03
"""How long before or after the begin of an update a service is killed: less than loading takes."""

_POLL_S = 0.1
_PATIENCE_S = 15.0
"""More than starting new code, and taking it back, may take beside the probation."""

_PROBATION_STRUCT = struct.Struct("<H")
_OFFSET_STRUCT = struct.Struct("<I")
KEPT = "kept"
_FAILED = "failed"
ENDED = KEPT, _FAILED
"""The phases that an update ends with."""

Progress = Callable[[int, int], None]
"""Gets the bytes that the board has taken, and how many there are."""

OnPhase = Callable[[str], None]
"""Gets a phase of a trial, one of `abi.UPDATE_PHASES`, when it is seen first."""


class UpdateTakenBack(BulkheadError):
    """The new code was no good: the board has put the old code in place again."""


class Trial:
    """Code that the board tries, until it keeps it or takes it back.

    Making one begins the trial; what begins it is sent once only.
    """

    def __init__(
        self, client: Client, operation: int, data: bytes, probation_ms: int, on_phase: OnPhase
    ) -> None:
        self._client = client
        self._on_phase = on_phase
        self._seen = ""
        try:
            client.update(operation, data, attempts=1)
        except DeviceTimeout:
            on_phase("unknown")  # it may have begun: the state tells
        self._begun_s = client.transport.clock_s()
        self._allowed_s = probation_ms / 1000 + _PATIENCE_S  # by the board's clock

    def has_ended(self) -> bool:
        """Ask the board, and tell whether it has kept the code.

        Raises `UpdateTakenBack` when the old code is back, and `DeviceTimeout` when the board has
        had its time and does not say.
        """
        phase, reason, _ = state(self._client)
        if phase != self._seen:
            self._on_phase(phase)
            self._seen = phase
        if phase == _FAILED:
            hint = f"bulkhead fault {self._named_in(reason)} shows a traceback"
            raise UpdateTakenBack(f"the old code is back: {reason}", hint)
        if phase != KEPT and self._is_overdue():
            raise DeviceTimeout(
                "the board does not say how the update ended", "bulkhead update --list"
            )
        return phase == KEPT

    def _named_in(self, reason: str) -> str:
        """Return the service that a reason begins with, as most do."""
        with suppress(BulkheadError):
            for name in self._client.table().names:
                if reason.startswith(f"{name} "):
                    return name
        return "SERVICE"

    def _is_overdue(self) -> bool:
        """Tell whether the board has had its time, and ask its clock where the line's has."""
        passed_s = self._client.transport.clock_s() - self._begun_s
        if passed_s < self._allowed_s:
            return False
        self._client.hello()
        return passed_s >= self._client.pace.line_s(self._allowed_s)

    def wait(self) -> None:
        """Return when the board has kept the code; raise as `has_ended` does."""
        while not self.has_ended():
            self._client.listen(_POLL_S)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """New code of one service: its signed head, and its files one after the other.

    A version lower than the board's is taken only of one that `may_be_older`.
    """

    name: str
    version: int
    code: str
    head: bytes
    data: bytes
    may_be_older: bool = False


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


def _listed(name: str, answer: bytes) -> Listed:
    """Return what the updater's answer says; raise BulkheadError if it makes no sense."""
    try:
        version, code, slot, before = printable(answer.decode()).split(" ")
        return Listed(
            name=name,
            version=int(version),
            code=code,
            slot=slot,
            before=None if before == "-" else int(before),
        )
    except ValueError:
        raise BulkheadError(
            f"the board's word on the code of {name} makes no sense: {answer[:80]!r}",
            "flash the board with an image of this version: bulkhead run APP --port PORT",
        ) from None


def list_code(client: Client, names: Iterable[str]) -> list[Listed]:
    """Return what code each of the named services has; the updater itself has no slots."""
    found = []
    for name in names:
        if name == "updater":
            continue
        found.append(_listed(name, client.update(abi.UPDATE_LIST, name.encode())))
    return found


def send_update(
    client: Client,
    bundles: Sequence[Bundle],
    *,
    probation_ms: int = PROBATION_MS,
    progress: Progress = nothing,
    on_phase: OnPhase = lambda _phase: None,
) -> None:
    """Have the board use new code of some services, and wait until it has kept it.

    `progress` gets bytes sent, `on_phase` each of `abi.UPDATE_PHASES` as it is seen. Raises
    `UpdateRefused` when nothing was changed, `UpdateTakenBack` when the old code is back, and
    `DeviceTimeout` when the board does not say.
    """
    begin_update(
        client, bundles, probation_ms=probation_ms, progress=progress, on_phase=on_phase
    ).wait()


def begin_update(
    client: Client,
    bundles: Sequence[Bundle],
    *,
    probation_ms: int = PROBATION_MS,
    progress: Progress = nothing,
    on_phase: OnPhase = lambda _phase: None,
) -> Trial:
    """Send new code and have it tried; do not wait for what comes of it. See `send_update`."""
    whole = sum(len(bundle.data) for bundle in bundles)
    taken = 0
    options = abi.UPDATE_OLDER if any(bundle.may_be_older for bundle in bundles) else 0
    client.update(abi.UPDATE_BEGIN, abi.UPDATE_BEGIN_STRUCT.pack(probation_ms, options))
    for bundle in bundles:
        client.update(abi.UPDATE_ADD, bundle.head)
        for offset in range(0, len(bundle.data), PIECE_BYTES):
            piece = bundle.data[offset : offset + PIECE_BYTES]
            client.update(abi.UPDATE_DATA, _OFFSET_STRUCT.pack(offset) + piece)
            taken += len(piece)
            progress(taken, whole)
    return Trial(client, abi.UPDATE_COMMIT, b"", probation_ms, on_phase)


def take_back(
    client: Client,
    names: Sequence[str],
    *,
    probation_ms: int = PROBATION_MS,
    on_phase: OnPhase = lambda _phase: None,
) -> None:
    """Have the board use the code that some services had before, as `send_update` does."""
    data = _PROBATION_STRUCT.pack(probation_ms) + "\0".join(names).encode()
    Trial(client, abi.UPDATE_ROLLBACK, data, probation_ms, on_phase).wait()


def update_to_itself(
    client: Client, names: Sequence[str], *, probation_ms: int = PROBATION_MS
) -> None:
    """Have services go through an update to the code they have: shows that they can."""
    _begin_again(client, names, probation_ms).wait()


def kill_in_update(
    client: Client, name: str, *, after_s: float, probation_ms: int = PROBATION_MS
) -> Trial:
    """Have a service updated to the code it has, and crash it `after_s` after that has begun.

    Negative times are before. Whether the order to crash has arrived is for the caller to see:
    the service may be what answers. Raises as `send_update` does, and `NoSuchTarget`.
    """

    def kill() -> None:
        with suppress(DeviceTimeout):
            client.inject(name, "crash")

    if after_s < 0:
        kill()
        client.listen(-after_s)
    trial = _begin_again(client, (name,), probation_ms)
    if after_s >= 0:
        client.listen(after_s)
        kill()
    return trial


def _begin_again(client: Client, names: Sequence[str], probation_ms: int) -> Trial:
    data = _PROBATION_STRUCT.pack(probation_ms) + "\0".join(names).encode()
    return Trial(client, abi.UPDATE_AGAIN, data, probation_ms, lambda _phase: None)


def state(client: Client) -> tuple[str, str, int]:
    """Return the phase of the newest update, why it failed, and how many were refused."""
    answer = client.update(abi.UPDATE_STATE)
    fixed, why = split(answer, abi.UPDATE_STATE_STRUCT.size)
    phase, refused = abi.UPDATE_STATE_STRUCT.unpack(fixed)
    name = abi.UPDATE_PHASES[phase] if phase < len(abi.UPDATE_PHASES) else str(phase)
    return name, printable(why.decode(errors="replace")), refused
