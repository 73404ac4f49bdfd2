"""Time from power-on until every service of the default image is there for its clients.

The image is the one that ships, unchanged, and nothing on the board takes part: the host reads
the states of the tasks in the kernel's words, in the board's memory, every 0.1 ms. Where they
are, a first board tells at its REPL; a second boots through the same cycles. A service counts
from its first wait, whether for a message, a reply or a time. Boot ROM and MicroPython's own start
are in it; the start of the crystal and the host's USB enumeration, which no service waits for,
take no time in the emulator.
"""

import struct

from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import load_constants

_SRAM_START = 0x20000000
_UP_MS = 3000
_STEP_US = 100
_LIMIT_US = 5_000_000
_WAITING = ("RECEIVING", "CALLING", "SERVED", "SENDING", "SLEEPING")


def measure(images: Images) -> dict[str, float]:
    """Return boot_ms."""
    address, tasks = find_words(images)
    constants = load_constants(source_root() / "firmware")
    layout, abi = constants["kernel.layout"], constants["kernel.abi"]
    waiting = {abi[name] for name in _WAITING}
    record, tasks_end = layout["RECORD"], layout["RECORD"] * (tasks + 1)
    serving: set[int] = set()
    with EmulatedBoard(image=images.default.path, seed=0) as board:
        while len(serving) < tasks:
            if board.clock_us > _LIMIT_US:
                raise BulkheadError(f"{len(serving)} of {tasks} services serve after 5 s")
            board.run_for(us=_STEP_US)
            words = read_words(board, address, tasks_end)
            if words[layout["TASKS_END"]] != tasks_end:
                continue  # no kernel there yet
            for task in range(record, tasks_end, record):
                if words[task + layout["STATE"]] == abi["FAULTED"]:
                    raise BulkheadError(f"task {task // record} faulted while the board booted")
                if words[task + layout["STATE"]] in waiting:
                    serving.add(task)
        return {"boot_ms": board.clock_us / 1000}


def read_words(board: EmulatedBoard, address: int, count: int) -> tuple[int, ...]:
    """Return so many words of the board's memory; nothing on it takes part."""
    memory = memoryview(board.chip.mcu.sram)
    return struct.unpack_from(f"<{count}I", memory, address - _SRAM_START)


def find_words(images: Images) -> tuple[int, int]:
    """Return the address of the kernel's words and the number of tasks, from the board's REPL."""
    with EmulatedBoard(image=images.default.path, seed=0) as board:
        board.run_for(ms=_UP_MS)
        board.write(b"\x03")  # Ctrl-C: the REPL, with `main.py`'s names
        wait_for_prompt(board)
        source = "import uctypes; print(uctypes.addressof(kernel.words), len(kernel.table))"
        # The console service prints on the same line of characters.
        for line in execute(board, source).splitlines():
            match line.split():
                case [address, tasks] if address.isdecimal() and tasks.isdecimal():
                    return int(address), int(tasks)
    raise BulkheadError("the image's REPL does not know the kernel")
