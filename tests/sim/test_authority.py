"""The board judges an import as `make check` does, from the same list."""

import builtins
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
        1, library, ("Sensor",), 0, {"__name__": "services.led.service"}, None
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


def test_what_others_depend_on_is_for_whose_manifest_names_it() -> None:
    system = Spare("bulkhead_system", GUEST=("main.py", "secret"), SERVICES=_TABLE)
    chance = ModuleType("random")
    chance.__dict__.update(seed=len, getrandbits=abs)
    modules = ("random.seed", "bulkhead_system.GUEST")
    authority = Authority(_TABLE, SERVICE, ((), modules))
    for module, given, withheld in (
        (system, "SERVICES", "GUEST"),
        (chance, "getrandbits", "seed"),
    ):
        name = module.__name__
        for number in (1, 2):
            assert authority.hand_out(number, module, name, (given,), 1).__dict__[given]
        assert authority.hand_out(2, module, name, (withheld,), 1).__dict__[withheld]
        with pytest.raises(ImportError, match=withheld):
            authority.hand_out(1, module, name, (withheld,), 1)
        with pytest.raises(AttributeError, match=withheld):
            authority.find(1, module, name, withheld)


@pytest.mark.parametrize(
    "full",
    [
        *("micropython.heap_lock", "micropython.heap_unlock", "micropython.kbd_intr"),
        *("gc.disable", "gc.threshold", "machine.reset"),
    ],
)
def test_what_stands_others_still_is_for_whose_manifest_names_it_by_itself(full: str) -> None:
    name, withheld = full.split(".")
    module = ModuleType(name)
    module.__dict__.update({withheld: len, "collect": abs})
    authority = Authority(_TABLE, SERVICE, ((name,), (name, full)))
    assert authority.hand_out(2, module, name, (withheld,), 1).__dict__[withheld] is len
    for number in (1, 2):
        assert authority.find(number, module, name, "collect") is abs
    with pytest.raises(ImportError, match=withheld):
        authority.hand_out(1, module, name, (withheld,), 1)
    with pytest.raises(AttributeError, match=withheld):
        authority.find(1, module, name, withheld)


def test_who_names_builtins_cannot_put_another_in_the_place_of_one() -> None:
    authority = Authority(_TABLE, SERVICE, (("builtins",), ()))
    verdict = authority.judge(1, "builtins", (), 0, {"__name__": "services.led.service"}, None)
    authority.finding = lambda find, _keeps: find
    find = authority.hand_out(1, builtins, "builtins", (), verdict)
    assert find is not builtins
    assert find("len") is len


def test_an_api_imports_in_anothers_step_what_its_own_manifest_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = (*_TABLE, ("pump", "services.pump.service"))
    authority = Authority(table, SERVICE, (("machine",), (), ("random", "machine.ADC")))
    for name in ("services.pump.api", "services.none.api", "services.led.api"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    found = {name: sys.modules[name].__dict__ for name in sys.modules if "services." in name}

    def whose(number: int, space: dict[str, object]) -> int:
        return int(authority.whose(number, space, space))

    assert whose(1, found["services.pump.api"]) == 3
    assert whose(1, found["services.led.api"]) == 1
    assert whose(1, found["services.none.api"]) == 0
    assert whose(1, {"__name__": "services.pump.api"}) == 0  # it only says so
    assert whose(2, {"__name__": "services.led.service"}) == 0
    assert whose(2, {"__name__": "cases"}) == 2
    assert authority.covers(3, "machine.ADC")
    assert not authority.covers(3, "machine.Pin")
    assert authority.covers(0, "math")
    assert not authority.covers(0, "machine")
    assert (
        authority.find(0, Spare("bulkhead_system", CONFIG=()), "bulkhead_system", "CONFIG") == ()
    )


def test_who_is_loaded_imports_no_more_for_a_service_that_has_it_call_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = (*_TABLE, ("pump", "services.pump.service"))
    authority = Authority(table, SERVICE, (("streams",), ("streams", "machine"), ("machine",)))
    library, api = Spare("streams"), Spare("services.pump.api")
    for module in (library, api):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    own, text = library.__dict__, api.__dict__
    authority.judge(1, "machine", None, 0, own, own)
    assert authority.whose(1, text, text) == 3
    for innermost in (None, text):
        authority.judge(1, "streams.parts", None, 0, own, innermost)
        authority.judge(1, "streams.parts", True, 1, own, innermost)
        authority.judge(2, "machine", None, 0, own, innermost)
        for name, names in (("machine", None), ("machine", ("Pin",)), ("os", True), ("io", None)):
            with pytest.raises(ImportError, match=name):
                authority.judge(1, name, names, 0, own, innermost)
    assert authority.whose(1, text, None) == authority.whose(1, text, own) == 0
    authority.check_globals(3, text, None)
    authority.check_globals(1, text, text)
    with pytest.raises(ImportError, match="not the service's"):
        authority.check_globals(1, text, None)


def test_a_relative_name_is_found_as_micropython_does() -> None:
    package, module = {"__name__": "a.b", "__path__": "a/b"}, {"__name__": "a.b.c"}
    for space in (package, module):
        assert _AUTHORITY.full_name("d", 1, space) == "a.b.d"
        assert _AUTHORITY.full_name("", 1, space) == "a.b"
        assert _AUTHORITY.full_name("d.e", 2, space) == "a.d.e"
        assert _AUTHORITY.full_name("os", 4, space) == ""
    with pytest.raises(TypeError):
        _AUTHORITY.full_name("d", True, package)
    with pytest.raises(TypeError):
        _AUTHORITY.full_name(b"d", 1, package)


@pytest.mark.parametrize(("name", "level"), (("streams", True), ("streams", 0.0), (b"os", 0)))
def test_a_name_and_a_level_are_what_they_look_like(name: object, level: object) -> None:
    with pytest.raises(TypeError):
        _AUTHORITY.judge(1, name, None, level, {"__name__": "streams"}, None)


def test_a_module_is_loading_for_the_task_that_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(_TABLE, SERVICE, (("streams",), ("streams",)))
    for name in ("streams", "streams.core"):
        assert authority.expect(1, name)[-1] == "streams"
    package, core = Spare("streams", __path__="streams"), Spare("streams.core")
    monkeypatch.setitem(sys.modules, "streams", package)
    for number in (2, 1):
        assert authority.expect(number, "streams.core") == ["streams.core"]
    assert authority.expect(1, "streams.parts.one") == ["streams.parts.one", "streams.parts"]
    for space in (package.__dict__, core.__dict__):
        assert authority.loading(1, space) is space
        assert authority.loading(2, space) is None  # a step on top of the other's
        assert authority.loading(0, space) is None
    monkeypatch.setitem(sys.modules, "streams.core", core)
    authority.settle("streams.core")
    assert not authority.settled  # neither is loaded
    authority.have(["streams.core"])
    assert authority.loading(1, core.__dict__) is None
    authority.settle_libraries(1, 0)
    assert authority.settled == {"streams.core"}
    authority.have(["streams"])
    authority.settle_libraries(1, 0)
    assert authority.settled == {"streams.core", "streams"}


@pytest.mark.parametrize(("own", "outer"), ((1, 0), (2, 1)))
def test_what_a_killed_task_has_loaded_is_settled(
    own: int, outer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(_TABLE, SERVICE, (("streams",), ("streams",)))
    authority.expect(1, "streams")
    monkeypatch.setitem(sys.modules, "streams", Spare("streams"))
    authority.settle_libraries(own, outer)
    assert not authority.settled  # it loads that
    authority.settle_libraries(2, 0)
    assert authority.settled == {"streams"}
    assert not authority.loaders


def test_loads_that_have_failed_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(_TABLE, SERVICE, ((), ()))
    monkeypatch.setitem(sys.modules, "streams", Spare("streams"))
    authority.loaders["streams"] = 1
    for at in range(100):
        authority.expect(1, f"services.x{at}.api")
        assert len(authority.loaders) < 24
    assert authority.loaders["streams"] == 1


@pytest.mark.parametrize("module", ("socket", "usocket", "network", "tls", "lwip", "bluetooth"))
def test_a_library_has_the_network_where_the_manifest_names_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Spare("streams")
    monkeypatch.setitem(sys.modules, "streams", streams)
    authority = Authority(_TABLE, SERVICE, (("streams", module), ("streams",)))
    authority.judge(1, module, None, 0, streams.__dict__, streams.__dict__)
    authority.judge(2, "machine", None, 0, streams.__dict__, streams.__dict__)
    with pytest.raises(ImportError, match=module):
        authority.judge(2, module, None, 0, streams.__dict__, streams.__dict__)
