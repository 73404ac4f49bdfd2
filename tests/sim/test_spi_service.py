"""The spi service under the kernel in the simulator: who has a chip, and who waits for it."""

import importlib
import sys
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest

from bulkhead_host.paths import source_root
from cases.ports import CasePort
from cases.rig import Rig
from kernel.abi import OK, READABLE, REFUSED, WRITABLE

TRANSFER, SET_UP, TRANSFER_LENT = 1, 2, 3
Steps = Generator[int, int, None]


class Wires(ModuleType):
    """`machine`: a bus that gives back what it is given, plus one; `log` has all in order."""

    def __init__(self) -> None:
        super().__init__("machine")
        log: list[tuple[Any, ...]] = []
        self.log = log

        class Pin:
            OUT = 1

            def __init__(self, place: int, _mode: int = 0, value: int = 0) -> None:
                self.place = place

            def value(self, level: int) -> None:
                log.append((self.place, level))

        class SPI:
            def __init__(self, *_place: Any, **_pins: Any) -> None: ...

            def init(self, **_settings: Any) -> None: ...

            def write_readinto(self, data: bytes, came: bytearray) -> None:
                log.append(("moved", len(data)))
                came[:] = bytes(byte + 1 & 0xFF for byte in data)

        self.__dict__.update(Pin=Pin, SPI=SPI)


class Bench:
    """The service, and clients of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wires = Wires()
        system = ModuleType("bulkhead_system")
        system.__dict__["PINS"] = (("spi", (1, 2, 3, 10, 11)),)
        monkeypatch.syspath_prepend(source_root())
        monkeypatch.setitem(sys.modules, "machine", self.wires)
        monkeypatch.setitem(sys.modules, "bulkhead_system", system)
        for name in ("services.spi.service", "services.spi.api"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        service = importlib.import_module("services.spi.service")
        self.rig = Rig(CasePort())
        self.rig.add("spi", service.main, priority=2)
        self.said: list[tuple[Any, ...]] = []

    def client(self, name: str, *calls: Any, priority: int = 4) -> None:
        """Add a client that makes calls, or sleeps for so many milliseconds."""

        def main(task: Any) -> Steps:
            spi = task.cap("spi")
            for call in calls:
                if type(call) is int:
                    yield task.sleep(call)
                    continue
                operation, arg, *lent = call
                if lent:
                    buffer = bytearray(lent[0])
                    rights = READABLE | WRITABLE
                    status = yield task.call_lending(spi, operation, buffer, rights, arg)
                    self.said.append((name, status, bytes(buffer[:2])))
                else:
                    status = yield task.call(spi, operation, arg)
                    self.said.append((name, status, task.arg))
            while True:
                yield task.recv()

        self.rig.add(name, main, priority=priority, uses="spi:call")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a service without clients."""
    return Bench(monkeypatch)


def test_a_chip_that_is_kept_stays_selected_and_others_wait(bench: Bench) -> None:
    bench.client("a", (TRANSFER, (0, b"\x01", True)), 30, (TRANSFER, (0, b"\x02")))
    bench.client("b", 10, (TRANSFER, (1, b"\x07")), priority=3)
    bench.rig.run(20)
    assert bench.said == [("a", OK, b"\x02")]
    assert bench.wires.log == [(10, 0), ("moved", 1)]
    bench.rig.run(60)
    assert sorted(bench.said[1:]) == [("a", OK, b"\x03"), ("b", OK, b"\x08")]
    assert bench.wires.log[2:] == [
        ("moved", 1), (10, 1), (11, 0), ("moved", 1), (11, 1),
    ]  # fmt: skip


def test_who_keeps_a_chip_and_says_no_more_is_not_waited_for(bench: Bench) -> None:
    bench.client("a", (TRANSFER, (0, b"\x01", True)))
    bench.client("b", 10, (TRANSFER, (1, b"\x07")))
    bench.client("c", 12, (TRANSFER_LENT, (1, 300, False), bytes(300)))
    bench.rig.run(300)
    assert bench.said[1:] == [("b", OK, b"\x08"), ("c", OK, b"\x01\x01")]
    assert bench.wires.log[2] == (10, 1)
    assert bench.wires.log.count((11, 1)) == 2


def test_what_is_lent_is_moved_in_pieces_of_a_few_milliseconds(bench: Bench) -> None:
    bench.client("a", (SET_UP, (0, 100_000, 0)), (TRANSFER_LENT, (0, 200, False), bytes(200)))
    bench.rig.run(100)
    assert bench.said[-1] == ("a", OK, b"\x01\x01")
    moved = [one[1] for one in bench.wires.log if one[0] == "moved"]
    assert (sum(moved), max(moved)) == (200, 62)
    assert bench.wires.log.count((10, 1)) == 1


@pytest.mark.parametrize(
    "call",
    [
        (TRANSFER, (0, b"\x01", 1)),
        (TRANSFER, (0, b"\x01", True, True)),
        (TRANSFER, (0,)),
        (TRANSFER, (0, bytes(201))),
        (TRANSFER_LENT, (0, 0, False), b"1"),
        (TRANSFER_LENT, (0, 2049, False), b"1"),
        (TRANSFER_LENT, (0, 8, False), b"1"),
        (TRANSFER_LENT, (0, 8, False)),
    ],
)
def test_nonsense_is_refused_and_selects_nothing(bench: Bench, call: Any) -> None:
    bench.client("a", call, (TRANSFER, (0, b"\x01")))
    bench.rig.run(50)
    assert [one[1] for one in bench.said] == [REFUSED, OK]
    assert bench.wires.log == [(10, 0), ("moved", 1), (10, 1)]
