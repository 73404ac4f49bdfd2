"""The demo from files, on MicroPython's own image: more stack is needed for that, and it is there.

What `deploy` would copy is put into the flash at once, as the littlefs that MicroPython makes.
"""

from pathlib import Path

import littlefs
from heap import free_heap
from power import FILE_SYSTEM

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.image.application import system_files
from bulkhead_host.image.official import write_modules
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.paths import source_root

BLOCK_BYTES = 4096
FREE_BYTES, PIECE_BYTES = 20_000, 4_000
"""Of heap, that the demo has to leave, and in one piece: an open file takes 1.3 KB."""


def file_system(folder: Path, *, size: int) -> bytes:
    """Return a littlefs with the files of a folder."""
    made = littlefs.LittleFS(block_size=BLOCK_BYTES, block_count=size // BLOCK_BYTES)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        made.makedirs(name.parent.as_posix(), exist_ok=True)
        with made.open(name.as_posix(), "wb") as file:
            file.write(path.read_bytes())
    return bytes(made.context.buffer)


def test_the_demo_stays_up_when_it_is_loaded_from_files(stock_image: Path, tmp_path: Path) -> None:
    files = system_files(source_root() / "services", board="pico")
    write_modules(files, tmp_path / "modules", architecture="armv6m")
    with EmulatedBoard(image=stock_image) as board:
        flash = board.chip.flash
        content = file_system(tmp_path / "modules", size=len(flash) - FILE_SYSTEM)
        flash[FILE_SYSTEM:] = content
        board.reset()
        resets = board.chip.reset_count
        output = board.run_until(b"the chip is at", timeout_ms=5000)
        assert b"uncaught" not in output
        client = Client(BoardTransport(board))
        client.listen(2)  # until all have loaded: there is stack for one of them
        before = client.table()
        assert all(service.generation == 1 for service in before.services)
        client.inject("blink", "crash")
        client.listen(2)
        after = client.table()
        changed = {
            one.name
            for one, two in zip(before.services, after.services, strict=True)
            if one.generation != two.generation
        }
        assert changed == {"blink"}
        assert board.chip.reset_count == resets
        free, largest = free_heap(board)
        assert free >= FREE_BYTES
        assert largest >= PIECE_BYTES
