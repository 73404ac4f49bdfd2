"""A driver from PyPI, as it is published, in a service that may only call the I2C driver."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "sensor_app"


class Mcp9808:
    """The chip: registers of 16 bits, but for two (datasheet DS25095A, 5.1)."""

    ADDRESS = 0x18
    SHORT = (0x07, 0x08)

    def __init__(self, bus: Any) -> None:
        self.registers = {0x01: 0, 0x02: 0, 0x05: 0xC194, 0x07: 0x04, 0x08: 3}
        self.transactions: list[tuple[str, int]] = []
        self._bytes: list[int] = []
        self._read = 0
        self._bus = bus
        bus.on_connect = self._connect
        bus.on_write_byte = self._on_write
        bus.on_read_byte = self._on_read
        bus.on_stop = self._stop

    def _connect(self, address: int, _mode: object) -> None:
        self._read = 0
        self._bus.complete_connect(address == self.ADDRESS)

    def _on_write(self, value: int) -> None:
        self._bytes.append(value)
        self._bus.complete_write(True)

    def _on_read(self, _ack: bool) -> None:
        register = self._bytes[0]
        size = 1 if register in self.SHORT else 2
        value = self.registers[register].to_bytes(size, "big")
        self._bus.complete_read(value[self._read % size])
        self._read += 1

    def _stop(self) -> None:
        if self._bytes:
            register, *data = self._bytes
            self.transactions.append(("write" if data else "read", register))
            if data:
                self.registers[register] = int.from_bytes(data, "big")
        self._bytes = []
        self._bus.complete_stop()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mcp9808, list[str]]]:
    image = tmp_path_factory.mktemp("image") / "sensor.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        chip = Mcp9808(board.chip.mcu.i2c[0])
        output = board.run_until(b"upper", timeout_ms=3000)
        board.run_for(ms=20)
        output += board.read()
        yield chip, re.findall(r"\w (?:meter|supervisor): ([^\r]*)", output.decode())


def test_the_driver_reads_the_chip_and_sets_it_up(ran: tuple[Mcp9808, list[str]]) -> None:
    chip, said = ran
    assert said == ["nobody at 0x19: 5", "25.2500 C", "upper 30.0, RESOLUTION_0_125_C"]
    assert (chip.registers[0x02], chip.registers[0x08]) == (30 << 4, 2)


def test_each_transaction_is_made_once(ran: tuple[Mcp9808, list[str]]) -> None:
    reads = [register for kind, register in ran[0].transactions if kind == "read"]
    writes = [register for kind, register in ran[0].transactions if kind == "write"]
    assert writes == [0x02, 0x08]
    assert reads == [0x07, 0x08, 0x05, 0x02, 0x08]


def test_the_example_is_the_one_in_the_readme() -> None:
    readme = (source_root() / "services" / "README.md").read_text()
    shown = re.search(r"```python\n(from micropython_mcp9808.*?)```", readme, re.DOTALL)
    assert shown
    code = (APPLICATION / "meter" / "service.py").read_text()
    assert all(line in code for line in shown[1].splitlines())
