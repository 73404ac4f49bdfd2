"""A board that runs `cases/soak_app`, and what a long run asks of it."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.chip import FLASH_SECTOR, FlashCommand, FlashWrite
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import Bundle, send_update
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.manifest import load_application

APPLICATION = source_root() / "tests" / "cases" / "soak_app"
KEY = bytes(range(32))
FALLS, IS_UPDATED = "faller", "counter"
_PROBATION_MS = 150
_BACK_MS = 200  # within which a service that has fallen is there again
_FALLS_AT_ONCE = 20
_ASKS = """
import gc, micropython
gc.collect()
micropython.qstr_info()
print("used", gc.mem_alloc())
"""


@dataclass(frozen=True)
class Level:
    """What must not grow: bytes of heap that live, and strings that the interpreter keeps."""

    used_bytes: int
    strings: int
    string_bytes: int


@dataclass
class Soaked:
    """A board under way, what it has logged last, and how often each sector was erased."""

    board: EmulatedBoard
    bundles: tuple[Bundle, Bundle]
    lines: list[str] = field(default_factory=list)
    erased: Counter[int] = field(default_factory=Counter)
    restarts: int = 0
    updates: int = 0
    lost_lines: int = 0

    def __post_init__(self) -> None:
        self.client = Client(BoardTransport(self.board), key=KEY, on_output=self._log)
        self.board.chip.on_flash_write = self._wear

    def _log(self, line: str) -> None:
        self.lines = [*self.lines[-50:], line]

    def _wear(self, write: FlashWrite) -> bool:
        if write.command is FlashCommand.ERASE:
            first = write.address // FLASH_SECTOR
            self.erased.update(range(first, first + write.size // FLASH_SECTOR))
        return False

    def idle(self, ms: float) -> None:
        """Let the board run, and take what it says."""
        self.board.run_for(ms=ms)
        self.client.listen(0)

    def fall(self) -> None:
        """Have a service fault, and be there again. Raises AssertionError where it is not."""
        before = self.generations()
        self.client.inject(FALLS, "crash")
        self.idle(_BACK_MS)
        after = self.generations()
        assert after == {**before, FALLS: before[FALLS] + 1}, (before, after, self.lines[-5:])
        self.restarts += 1

    def warm(self) -> None:
        """Fill the log's ring, and have what updates and the prompt keep for good."""
        kept = -1
        while kept < (now := len(self.client.log_after(0))):
            kept = now
            for _ in range(_FALLS_AT_ONCE):
                self.fall()
        for _ in range(2 * len(self.bundles)):
            self.update()
        self.level()

    def update(self) -> None:
        """Have a service go on with other code, beside its caller."""
        before = self.generations()
        bundle = self.bundles[self.updates % 2]
        send_update(self.client, [bundle], probation_ms=_PROBATION_MS)
        assert self.generations() == before
        self.updates += 1

    def generations(self) -> dict[str, int]:
        """Return the generation of every service."""
        return {service.name: service.generation for service in self.client.table().services}

    def check_log(self) -> None:
        """Look at the ring of the logger: in order, bounded, and no round was lost."""
        kept = self.client.log_after(0)
        numbers = [number for number, _ in kept]
        assert numbers == sorted(numbers) and numbers, numbers
        rounds = [line for _, line in kept if "asker: rounds" in line]
        for line in rounds:
            assert re.search(r" failed 0, lost 0$", line), line

    def level(self) -> Level:
        """Ask the prompt what lives; the services go on meanwhile, and after."""
        self.board.write(b"\x03")
        wait_for_prompt(self.board)
        said = execute(self.board, _ASKS)
        self.board.write(b"resume()\r")
        self.board.run_for(ms=500)
        self.board.read()
        found = re.search(r"n_qstr=(\d+), n_str_data_bytes=(\d+).*?used (\d+)", said, re.DOTALL)
        assert found is not None, said
        return Level(int(found[3]), int(found[1]), int(found[2]))


@contextmanager
def soaked(image: Path, bundles: tuple[Bundle, Bundle], *, start_us: int) -> Iterator[Soaked]:
    """Yield a board that has booted, its timer at `start_us` when it got power."""
    with EmulatedBoard(image=image, seed=0, key=KEY) as board:
        # The timer counts from its reset on: the chip's clock stays where it is.
        board.chip.mcu.timer._epoch_nanos -= start_us * 1000
        run = Soaked(board, bundles)
        run.idle(5_000)
        yield run


def variants(folder: Path) -> tuple[Bundle, Bundle]:
    """Return two versions of the service that is updated, either of which may follow the other."""
    made = []
    for version in (2, 3):
        copy = folder / f"v{version}"
        shutil.copytree(APPLICATION, copy)
        api = copy / IS_UPDATED / "api.py"
        api.write_text(api.read_text().replace("const(1)", f"const({version})"))
        manifest = copy / IS_UPDATED / "service.toml"
        manifest.write_text(manifest.read_text().replace("version = 1", f"version = {version}"))
        services = source_root() / "services"
        application = load_application(copy, shipped=services, report=Report())
        assert application is not None
        bundle = make_bundle(application, board_named(application.board), IS_UPDATED, key=KEY)
        made.append(replace(bundle, may_be_older=True))
    return made[0], made[1]
