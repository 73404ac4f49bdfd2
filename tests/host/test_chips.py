"""Registers of the RP2040 and the RP2350, held against the SDK's own headers; the boot block."""

import re
import struct
from functools import cache

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.application import port_modules, system_files
from bulkhead_host.image.boot_block import (
    ARM_SECURE_EXECUTABLE,
    END,
    IMAGE_TYPE,
    LAST,
    START,
    check_boot_block,
    find_boot_block,
)
from bulkhead_host.image.sources import source_tree
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.fold import constants_of
from bulkhead_host.system.outputs import CHIPS

PORT = source_root() / "firmware" / "port"
FILES = {"rp2040": PORT / "rp2_chip.py", "rp2350": PORT / "rp2350_chip.py"}
NVIC_PRIORITIES = 0xE000E400
"""NVIC_IPR0: a byte an interrupt (ARMv6-M B3.4, ARMv8-M D1.2)."""


@cache
def sdk(chip: str) -> dict[str, int]:
    """Return every number that the SDK's headers of a chip define."""
    folder = source_tree(cache_dir()).pico_sdk / "src" / chip / "hardware_regs" / "include"
    found: dict[str, int] = {}
    for header in sorted(folder.rglob("*.h")):
        text = header.read_text(encoding="utf-8")
        for name, value in re.findall(
            r"^#define (\w+) +(?:_u\()?(0x[0-9a-f]+|\d+)\)?$", text, re.M
        ):
            found[name] = int(value, 0)
    return found


@pytest.mark.parametrize("chip", FILES)
def test_the_ports_registers_are_those_of_the_sdk(chip: str) -> None:
    known = sdk(chip)
    timer = known.get("TIMER0_BASE", known.get("TIMER_BASE", 0))
    assert constants_of(FILES[chip].read_text()) == {
        "TIMERAWL": timer + known["TIMER_TIMERAWL_OFFSET"],
        "WATCHDOG_CTRL": known["WATCHDOG_BASE"] + known["WATCHDOG_CTRL_OFFSET"],
        "WATCHDOG_REASON": known["WATCHDOG_BASE"] + known["WATCHDOG_REASON_OFFSET"],
        "SCRATCH": known["WATCHDOG_BASE"] + known["WATCHDOG_SCRATCH0_OFFSET"],
        "SEEN": known["WATCHDOG_BASE"] + known["WATCHDOG_SCRATCH2_OFFSET"],
        "INTE0": known["IO_BANK0_BASE"] + known["IO_BANK0_PROC0_INTE0_OFFSET"],
        "INTR_BELOW": known["IO_BANK0_PROC0_INTE0_OFFSET"] - known["IO_BANK0_INTR0_OFFSET"],
        "PINS_PRIORITY": NVIC_PRIORITIES + known["IO_IRQ_BANK0"] // 4 * 4,
        "UART0_IMSC": known["UART0_BASE"] + known["UART_UARTIMSC_OFFSET"],
        "UART_APART": known["UART1_BASE"] - known["UART0_BASE"],
        "PIO0_INTE": known["PIO0_BASE"] + known["PIO_IRQ0_INTE_OFFSET"],
        "PIO_APART": known["PIO1_BASE"] - known["PIO0_BASE"],
        "RAM_END": known["SRAM_END"],
    }
    assert known["IO_IRQ_BANK0"] % 4 == 1  # the second byte of the word, which the port writes


@pytest.mark.parametrize("chip", CHIPS)
def test_the_registers_of_safe_outputs_are_those_of_the_sdk(chip: str) -> None:
    known, at = sdk(chip), CHIPS[chip]
    assert at.out_set == known["SIO_BASE"] + known["SIO_GPIO_OUT_SET_OFFSET"]
    assert at.out_clr == known["SIO_BASE"] + known["SIO_GPIO_OUT_CLR_OFFSET"]
    assert at.oe_set == known["SIO_BASE"] + known["SIO_GPIO_OE_SET_OFFSET"]
    assert at.oe_clr == known["SIO_BASE"] + known["SIO_GPIO_OE_CLR_OFFSET"]
    assert at.control == known["IO_BANK0_BASE"] + known["IO_BANK0_GPIO0_CTRL_OFFSET"]
    assert at.pad == known["PADS_BANK0_BASE"] + known["PADS_BANK0_GPIO0_OFFSET"]
    assert at.compare == known["PWM_BASE"] + known["PWM_CH0_CC_OFFSET"]
    assert at.out_over == known["IO_BANK0_GPIO0_CTRL_OUTOVER_LSB"]
    assert at.oe_over == known["IO_BANK0_GPIO0_CTRL_OEOVER_LSB"]


def test_a_board_gets_the_registers_of_its_chip() -> None:
    for name in ("pico", "pico2"):
        chip = board_named(name).chip
        assert port_modules("rp2", chip=chip)["port/rp2_chip.py"] == FILES[chip]
        timer = constants_of(FILES[chip].read_text())["TIMERAWL"]
        files = system_files(source_root() / "services", board=name)
        code = b"\n".join(bytes(data) for path, data in files.items() if path.startswith("port/"))
        assert str(timer).encode() in code
        others = {"rp2040", "rp2350"} - {chip}
        other = constants_of(FILES[others.pop()].read_text())["TIMERAWL"]
        assert str(other).encode() not in code


def block(*, kind: int = ARM_SECURE_EXECUTABLE, link: int = 0, size: int = 1) -> bytes:
    """Return a boot block with one item, as the data sheet draws it in 5.9.5.1."""
    item = struct.pack("<BBH", IMAGE_TYPE, 1, kind)
    return struct.pack("<I", START) + item + struct.pack("<BHBiI", LAST, size, 0, link, END)


def test_a_boot_block_is_read_as_the_data_sheet_has_it() -> None:
    data = bytes(256) + block()
    found = find_boot_block(data)
    assert (found.offset, found.next_offset) == (256, 256)
    assert found.items[IMAGE_TYPE] == bytes.fromhex("42012110")
    check_boot_block(data)
    check_boot_block(block(link=512).ljust(512, b"\0") + block(link=-512))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8192),
        bytes(4096) + block(),
        block(kind=0x1121),
        block(size=2),
        block()[:-4] + bytes(4),
        block()[:10],
        block(link=64),
        block(link=-64),
        block(link=512).ljust(512, b"\0") + block(link=0),
    ],
)
def test_what_the_boot_rom_would_not_start_is_refused(data: bytes) -> None:
    with pytest.raises(BulkheadError):
        check_boot_block(data)
