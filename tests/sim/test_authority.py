"""The board judges an import as `make check` does, from the same list."""

import sys
from types import ModuleType

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


class Spare(ModuleType):
    """A module that was loaded from a file."""

    def __init__(self, name: str, **names: object) -> None:
        super().__init__(name)
        self.__file__ = f"{name}.py"
        self.__dict__.update(names)


@pytest.mark.parametrize(
    "library", ("drivers", "portable", "port_expander", "kernels", "bulkhead_extras", "servicesx")
)
def test_a_library_hands_out_nothing_of_the_chip_whatever_its_name(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, own = type("Pin", (), {}), type("Sensor", (), {})
    machine = ModuleType("machine")
    machine.Pin = pin  # type: ignore[attr-defined]
    authority = Authority(_TABLE, SERVICE, ((library,), ()))
    authority.importing = lambda name: {"machine": machine}.get(name) or ModuleType(name)
    module = Spare(library, Pin=pin, Sensor=own)
    monkeypatch.setitem(sys.modules, library, module)
    given = authority.hand_out(1, module, library, ("Sensor",), authority.judge(
        1, library, ("Sensor",), 0, {"__name__": "services.led.service"}
    ))  # fmt: skip
    assert given.Sensor is own
    with pytest.raises(ImportError, match="does not hand out"):
        authority.hand_out(1, module, library, ("Pin",), 1)
    with pytest.raises(AttributeError, match="does not hand out"):
        authority.find(1, module, library, "Pin")


def test_a_service_is_told_its_own_configuration_alone() -> None:
    told = (("led", (("colour", "red"),)), ("wifi", (("password", "secret"),)))
    system = Spare("bulkhead_system", CONFIG=told, SERVICES=_TABLE)
    authority = Authority(_TABLE, SERVICE, ((), ("bulkhead_system.CONFIG",)))
    for number, expected in ((1, told[:1]), (2, told)):
        names = ("CONFIG", "SERVICES")
        given = authority.hand_out(number, system, "bulkhead_system", names, 1)
        assert expected == given.CONFIG
        assert given.SERVICES is _TABLE
        assert authority.find(number, system, "bulkhead_system", "CONFIG") == expected


def test_an_api_imports_in_anothers_step_what_its_own_manifest_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = (*_TABLE, ("pump", "services.pump.service"))
    authority = Authority(table, SERVICE, (("machine",), (), ("random", "machine.ADC")))
    for name in ("services.pump.api", "services.none.api", "services.led.api"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    spaces = {name: sys.modules[name].__dict__ for name in sys.modules if "services." in name}
    assert authority.whose(1, spaces["services.pump.api"]) == 3
    assert authority.whose(1, spaces["services.led.api"]) == 1
    assert authority.whose(1, spaces["services.none.api"]) == 0
    assert authority.whose(1, {"__name__": "services.pump.api"}) == 0  # it only says so
    assert authority.whose(2, {"__name__": "services.led.service"}) == 0
    assert authority.whose(2, {"__name__": "cases"}) == 2
    assert authority.covers(3, "machine.ADC")
    assert not authority.covers(3, "machine.Pin")
    assert authority.covers(0, "math")
    assert not authority.covers(0, "machine")
    assert (
        authority.find(0, Spare("bulkhead_system", CONFIG=()), "bulkhead_system", "CONFIG") == ()
    )


@pytest.mark.parametrize("module", ("socket", "usocket", "network", "tls", "lwip", "bluetooth"))
def test_a_library_has_the_network_where_the_manifest_names_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Spare("streams")
    monkeypatch.setitem(sys.modules, "streams", streams)
    authority = Authority(_TABLE, SERVICE, (("streams", module), ("streams",)))
    authority.judge(1, module, None, 0, streams.__dict__)
    authority.judge(2, "machine", None, 0, streams.__dict__)
    with pytest.raises(ImportError, match=module):
        authority.judge(2, module, None, 0, streams.__dict__)
