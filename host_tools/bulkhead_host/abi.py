"""The numbers and the frame format that the host shares with the firmware, from its own files.

`abi.py` and `limits.py` of `firmware/kernel` and `link.py`, `session.py`, `terms.py` and
`value.py` of `firmware/bulkhead` are loaded under private names, with a stand-in for
MicroPython's module `micropython` that is there only while they load: the packages `kernel` and
`bulkhead` stay out of `sys.modules` and the source tree out of `sys.path`.
"""

import importlib.util
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root


def _const(value: Any) -> Any:
    return value


@contextmanager
def _micropython() -> Iterator[None]:
    stand_in = ModuleType("micropython")
    stand_in.__dict__["const"] = _const
    before = sys.modules.get("micropython")
    sys.modules["micropython"] = stand_in
    try:
        yield
    finally:
        if before is None:
            del sys.modules["micropython"]
        else:
            sys.modules["micropython"] = before


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"_bulkhead_firmware_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise BulkheadError(
            f"the firmware's {path.name} is not there: {path}",
            "install the tool from its source tree: pip install -e .",
        )
    module = importlib.util.module_from_spec(spec)
    with _micropython():
        spec.loader.exec_module(module)
    return module


_abi = _load("abi", source_root() / "firmware" / "kernel" / "abi.py")
_limits = _load("limits", source_root() / "firmware" / "kernel" / "limits.py")
_update = _load("updater", source_root() / "services" / "updater" / "api.py")
_terms = _load("terms", source_root() / "firmware" / "bulkhead" / "terms.py")
_link = _load("link", source_root() / "firmware" / "bulkhead" / "link.py")
_value = _load("value", source_root() / "firmware" / "bulkhead" / "value.py")
_session = _load("session", source_root() / "firmware" / "bulkhead" / "session.py")

# kernel/abi.py
ABI: int = _abi.ABI
STATE_NAMES: tuple[str, ...] = _terms.STATE_NAMES
FAULT_NAMES: tuple[str, ...] = _terms.FAULT_NAMES
CRASH_NAMES: tuple[str, ...] = _terms.CRASH_NAMES
TRACE_NAMES: tuple[str, ...] = _terms.TRACE_NAMES
INJECTION_NAMES: tuple[str, ...] = _terms.INJECTION_NAMES
ASYNC: int = _abi.ASYNC
HARD: int = _abi.HARD
OK: int = _abi.OK
UNKNOWN: int = _abi.UNKNOWN
REFUSED: int = _abi.REFUSED
TIMEOUT: int = _abi.TIMEOUT
FULL: int = _abi.FULL
DEAD: int = _abi.DEAD
MAY_CALL: int = _abi.MAY_CALL
MAY_SEND: int = _abi.MAY_SEND
MAY_NOTIFY: int = _abi.MAY_NOTIFY
NO_TASK: int = _terms.NO_TASK
UPTIME_MS_MODULUS = 1 << 30
"""A board's uptime in milliseconds counts modulo this: 12.4 days."""

POSITION_MODULUS = 1 << 30
"""Positions in the trace count modulo this."""

CPU_US_MODULUS = 1 << 30
"""The CPU time of a task counts modulo this, and so does every time in microseconds."""

YIELD: int = _abi.YIELD
MARK_OPERATION: int = _abi.MARK
"""Of a trap YIELD in the trace: the service misbehaves next, in a way that faults nobody."""

EVENT_STEP: int = _abi.EVENT_STEP
EVENT_ENTERED: int = _abi.EVENT_ENTERED
EVENT_INTERRUPT: int = _abi.EVENT_INTERRUPT
EVENT_FAULT: int = _abi.EVENT_FAULT
EVENT_STARTED: int = _abi.EVENT_STARTED
EVENT_OVERRAN: int = _abi.EVENT_OVERRAN
SUPERVISOR_DIED: int = _abi.SUPERVISOR_DIED
KILLS_CAUGHT: int = _abi.KILLS_CAUGHT
WATCHDOG_FIRED: int = _abi.WATCHDOG_FIRED
GIVEN_UP: int = _abi.GIVEN_UP
NO_PROGRESS: int = _abi.NO_PROGRESS
ORDERED: int = _abi.ORDERED
DISORDER: int = _abi.DISORDER
PROCESSOR_FAULT: int = _abi.PROCESSOR_FAULT
EXCEPTION: int = _abi.EXCEPTION
MEMORY: int = _abi.MEMORY
RETURNED: int = _abi.RETURNED
CALL: int = _abi.CALL
REPLY: int = _abi.REPLY
REPLY_RECV: int = _abi.REPLY_RECV
TRACE_READ_MAX = 31
"""Records that an answer holds; fewer say that there are no more."""

TRAP_MASK = 0x1F << _abi.TRAP_SHIFT
OPERATION_MASK = (1 << _abi.TRAP_SHIFT) - 1
_TRAPS = (
    "YIELD CALL REPLY_RECV RECV REPLY SEND NOTIFY SLEEP REOPEN ACKNOWLEDGE REPLY_FAULT START STOP "
    "INSPECT NEXT_FAULT FAULT_TEXT INJECT MINT DELETE REVOKE LEASE_READ LEASE_WRITE "
    "READ_WORDS READ_FAULT ATTEND STASH REPLACE MAKE_SAFE"
)
TRAP_NAMES: dict[int, str] = {getattr(_abi, name): name.lower() for name in _TRAPS.split()}

# kernel/limits.py
TASKS_MAX: int = _limits.TASKS_MAX
CALL_TIMEOUT_US: int = _limits.CALL_TIMEOUT_US
MESSAGE_BYTES_MAX: int = _limits.MESSAGE_BYTES_MAX
PRIORITIES: int = _limits.PRIORITIES

# bulkhead/link.py
MARK: bytes = _link.MARK
PAYLOAD_BYTES_MAX: int = _link.PAYLOAD_BYTES_MAX
LINE_BYTES_MAX: int = _link.LINE_BYTES_MAX
HELLO: int = _link.HELLO
TABLE: int = _link.TABLE
INJECT: int = _link.INJECT
FAULT_TEXT: int = _link.FAULT_TEXT
FAULT: int = _link.FAULT
TRACE: int = _link.TRACE
CAPABILITIES: int = _link.CAPABILITIES
ROOM: int = _link.ROOM
LOG: int = _link.LOG
WATCH: int = _link.WATCH
CONTROL: int = _link.CONTROL
CONTROL_NAMES: tuple[str, ...] = _link.CONTROL_NAMES
HELLO_IS: int = _link.HELLO_IS
SERVICE: int = _link.SERVICE
END: int = _link.END
STATUS: int = _link.STATUS
TEXT: int = _link.TEXT
LOSSES_MODULUS = 1 << 16
CHALLENGE: int = _link.CHALLENGE
CHALLENGE_IS: int = _link.CHALLENGE_IS
ORDER: int = _link.ORDER
CALL_SERVICE: int = _link.CALL
RESULT: int = _link.RESULT
ANSWER: int = _link.ANSWER
UPDATE: int = _link.UPDATE
READING: tuple[int, ...] = _link.READING

# services/updater/api.py
UPDATE_BEGIN: int = _update.BEGIN
UPDATE_BEGIN_STRUCT = struct.Struct(_update.BEGIN_FORMAT)
UPDATE_OLDER: int = _update.OLDER
UPDATE_ADD: int = _update.ADD
UPDATE_DATA: int = _update.DATA
UPDATE_COMMIT: int = _update.COMMIT
UPDATE_STATE: int = _update.STATE
UPDATE_LIST: int = _update.LIST
UPDATE_ROLLBACK: int = _update.ROLLBACK
UPDATE_AGAIN: int = _update.AGAIN
UPDATE_BUSY: int = _update.BUSY
UPDATE_HELD: int = _update.HELD
UPDATE_PHASES: tuple[str, ...] = _update.PHASE_NAMES
UPDATE_STATE_STRUCT = struct.Struct(_update.STATE_FORMAT)

# bulkhead/session.py
NONCE_BYTES: int = _session.NONCE_BYTES
CHALLENGE_STRUCT = struct.Struct(_session.CHALLENGE_FORMAT)
HAS_KEY: int = _session.HAS_KEY
READING_CLOSED: int = _session.READING_CLOSED
NO_SESSION: int = _session.NO_SESSION
DENIED: int = _session.DENIED
REPLAYED: int = _session.REPLAYED
Gate: Any = _session.Gate
Session: Any = _session.Session
Answers: Any = _session.Answers
"""The host's side of a session; `Gate` is the board's, for boards that tests make."""

HELLO_STRUCT = struct.Struct(_link.HELLO_FORMAT)
END_STRUCT = struct.Struct(_link.END_FORMAT)
WATCH_STRUCT = struct.Struct("<HH")
FAULT_STRUCT = struct.Struct(_terms.FAULT_FORMAT)
CAPABILITY_STRUCT = struct.Struct(_terms.CAPABILITY_FORMAT)
TRACE_STRUCT = struct.Struct(_terms.TRACE_FORMAT)
ROOM_STRUCT = struct.Struct(_link.ROOM_FORMAT)
POSITION_STRUCT = struct.Struct("<I")
CALL_STRUCT = struct.Struct(_link.CALL_FORMAT)
OFFSET_STRUCT = struct.Struct("<H")
SERVICE_STRUCT = struct.Struct(_terms.INSPECT_FORMAT + "H")
"""The fixed part of a SERVICE frame: INSPECT's answer and the restarts."""


def keyed_hash(key: bytes, data: bytes) -> bytes:
    """Return the HMAC-SHA256 of data, as the board makes it."""
    mac: bytes = _session.keyed_hash(key, data)
    return mac


def key_mark(key: bytes) -> bytes:
    """Return what a board says of its key: enough to know it by, and nothing to use it with."""
    mark: bytes = _session.key_mark(key)
    return mark


def is_same(mac: bytes, other: bytes) -> bool:
    """Compare two MACs in a time that does not tell where they differ."""
    same: bool = _session.is_same(mac, other)
    return same


def refusal_mac(key: bytes, status: int, order: bytes) -> bytes:
    """Return the MAC of the status by which a board refuses the payload of an ORDER."""
    mac: bytes = _session.refusal_mac(key, status, order)
    return mac


def encode_value(value: object) -> bytes:
    """Return a message's value as it goes over the link; raise ValueError for what is none."""
    data: bytes = _value.encode(value)
    return data


def decode_value(data: bytes) -> object:
    """Return the value that came over the link; raise ValueError when it is none."""
    value: object = _value.decode(data)
    return value


def encode(kind: int, sequence: int, payload: bytes) -> bytes:
    """Return a frame as it goes on the line, the mark and the line feed included."""
    line: bytes = _link.encode(kind, sequence, payload)
    return line


def decode(line: bytes) -> tuple[int, int, bytes] | None:
    """Return (kind, sequence, payload) of what stands between mark and line end.

    None when it is damaged. Stricter than the firmware: the text must be the very one that
    `encode` makes, where the firmware's base64 skips bytes that are none.
    """
    decoded: tuple[int, int, bytes] | None = _link.decode(line)
    if decoded is None or encode(*decoded) != MARK + line + b"\n":
        return None
    return decoded


def fault_name(kind: int) -> str:
    """Return the word for a kind of fault, or the number of one that this tool does not know."""
    return _named(FAULT_NAMES, kind)


def trace_name(event: int) -> str:
    """Return the word for an event of the trace, or its number."""
    return _named(TRACE_NAMES, event)


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)


_GATE_NAMES = {NO_SESSION: "NO_SESSION", DENIED: "DENIED", REPLAYED: "REPLAYED"}


def status_name(status: int) -> str:
    """Return the word for a status code that the kernel returns, or the number."""
    names: tuple[str, ...] = _terms.STATUS_NAMES
    if status == OK:
        return "OK"
    if status == REFUSED:
        return "REFUSED"
    if status in _GATE_NAMES:
        return _GATE_NAMES[status]
    index = status - TIMEOUT
    return names[index] if 0 <= index < len(names) else str(status)
