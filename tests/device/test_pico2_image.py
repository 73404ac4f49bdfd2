"""The image of a Pico 2: built twice in two places, it has the same bytes, and fits."""

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bulkhead_host.image.application import system_files
from bulkhead_host.image.boot_block import check_boot_block
from bulkhead_host.image.build import build_image
from bulkhead_host.image.uf2 import FLASH_BASE, read_uf2
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_host.system.boards import board_named

BYTES_MAX = 512 * 1024  # of the 1,024 KB that the file system leaves
RAM = 0x20000000


def test_an_image_of_a_pico_2_is_the_same_bytes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = system_files(source_root() / "services", board="pico2")
    first = build_image(board="pico2", files=files, output=tmp_path / "first.uf2")
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("sources", "libraries"):  # what was fetched; what is built is built anew
        if (cache_dir() / name).exists():
            (cache / name).symlink_to(cache_dir() / name)
    monkeypatch.setenv("BULKHEAD_CACHE", str(cache))
    second = build_image(board="pico2", files=files, output=tmp_path / "second.uf2")
    content = first.path.read_bytes()
    assert content == second.path.read_bytes()
    board = board_named("pico2")
    family = int(board.flash["uf2_family"])
    uf2 = read_uf2(content, flash_bytes=board.flash_bytes, family=family)
    assert uf2.address == FLASH_BASE
    check_boot_block(uf2.data)
    assert first.flash_used <= BYTES_MAX
    with first.elf.open("rb") as file:
        for name in ("mp_execute_bytecode", "gc_alloc"):  # `in_ram` of the board's file
            assert _address(ELFFile(file), name) >= RAM


def _address(image: ELFFile, name: str) -> int:
    symbols = image.get_section_by_name(".symtab")
    assert isinstance(symbols, SymbolTableSection)
    found = symbols.get_symbol_by_name(name)
    assert found is not None
    return int(found[0]["st_value"])
