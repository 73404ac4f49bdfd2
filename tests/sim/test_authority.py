"""The board judges an import as `make check` does, from the same list."""

import pytest

from bulkhead_host.system.imports import SERVICE, is_allowed
from guard.authority import Authority

_MODULES = ("machine", "io.open", "sys.stdin", "builtins.open")
_TABLE = (("led", "services.led.service"), ("bench", lambda task: None))
_AUTHORITY = Authority(_TABLE, SERVICE, (_MODULES, ()))
_ENTRIES = tuple(entry.removeprefix("-") for entry in (*SERVICE, *_MODULES))
_HEADS = (*_ENTRIES, "services", "services.led", "services.api", "kernel", "os", "io")
_TAILS = ("", ".x", "x", ".api", ".api.SET", ".x.api", ".service", ".open", ".open.x", ".stdin")


@pytest.mark.parametrize("head", _HEADS)
def test_board_and_host_agree(head: str) -> None:
    for tail in _TAILS:
        name = head.replace("*", "button") + tail
        led = is_allowed(name, (*SERVICE, "services.led", *_MODULES))
        assert _AUTHORITY.covers(1, name) == led, name
        assert _AUTHORITY.covers(2, name) == is_allowed(name, SERVICE), name
