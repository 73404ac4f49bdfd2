"""What a board takes of its processor while nothing fails, nobody asks and little happens.

The image is the default one, unchanged, with its LED that blinks. The host reads the kernel's
account of each task in the board's memory, before and after; nothing on the board takes part.
"""

from bulkhead_host.bench.boot import find_words, read_words
from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import load_constants

_SETTLED_MS = 10_000
_MEASURED_MS = 30_000
_SUPERVISOR = 1  # it starts the others
_US = 1000


def measure(images: Images) -> dict[str, float]:
    """Return the percents of the supervisor, of all services, and of the whole: instructions."""
    address, tasks = find_words(images)
    constants = load_constants(source_root() / "firmware")
    layout, limits = constants["kernel.layout"], constants["kernel.limits"]
    record = layout["RECORD"]

    def used(board: EmulatedBoard) -> list[int]:
        words = read_words(board, address, record * (tasks + 1))
        return [words[record * task + layout["CPU_US"]] for task in range(1, tasks + 1)]

    with EmulatedBoard(image=images.default.path, seed=0) as board:
        board.run_for(ms=_SETTLED_MS)
        before = used(board)
        core = board.chip.mcu.core
        executed = core.cycles
        board.run_for(ms=_MEASURED_MS)
        spent = [
            (after - start) & limits["TIME_MASK"]
            for after, start in zip(used(board), before, strict=True)
        ]
        executed = core.cycles - executed
    percents = [100 * us / (_MEASURED_MS * _US) for us in spent]
    return {
        "supervisor_idle_percent": percents[_SUPERVISOR - 1],
        "services_idle_percent": sum(percents),
        "board_idle_percent": 100 * executed * CYCLE_NS / (_MEASURED_MS * _US * 1000),
    }
