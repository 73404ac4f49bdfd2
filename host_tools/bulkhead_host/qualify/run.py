"""All looks at a board, in turn, each with the image it takes, within a bound of time."""

import fnmatch
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead_host.bench.images import BOARD, bench_image
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import build_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.paths import source_root
from bulkhead_host.qualify import chip, clients, figures, kernel, lines, storage
from bulkhead_host.qualify.desks import Desk
from bulkhead_host.qualify.image import cases_image
from bulkhead_host.qualify.verdicts import Row, failed, skipped

LIMIT_S = 600.0
"""The bound of the whole, by the board's clock for one of this process, else by the wall's."""

_STAGES: dict[str, tuple[tuple[str, ...], float]] = {
    "cases": (
        (chip.PART, lines.PART, kernel.CASES_PART, kernel.ATTACKS_PART),
        0.65,
    ),
    "bench": ((storage.PART, figures.PART), 0.9),
    "application": ((clients.PART,), 1.0),
}
"""The images in turn: what is looked at on each, and by which share of the time that ends.

The resets of the flash's part come after the cases, one of which takes them for a crash.
"""

PARTS = tuple(part for parts, _ in _STAGES.values() for part in parts)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to look at: parts, and by a pattern which cases, attacks and programs of them.

    Only `pins` and the ends of `wires` are driven.
    """

    parts: tuple[str, ...] = PARTS
    pattern: str = "*"
    pins: tuple[int, ...] = ()
    wires: tuple[tuple[int, int], ...] = ()
    limit_s: float = LIMIT_S

    @property
    def named(self) -> frozenset[int]:
        """All pins that may be driven."""
        return frozenset(self.pins).union(*self.wires)

    def chooses(self, name: str) -> bool:
        """Tell whether a case, an attack or a program is one of those to run."""
        return fnmatch.fnmatch(name, self.pattern)


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images that are flashed, in turn; the last stays on the board."""

    cases: Path
    bench: Path
    application: Path


def built_images(progress: Progress = quiet) -> Images:
    """Build what the cache has not."""
    files = system_files(source_root() / "services", board=BOARD)
    return Images(
        cases=cases_image(progress),
        bench=bench_image(progress).path,
        application=build_image(board=BOARD, files=files, progress=progress).path,
    )


def qualify(
    desk: Desk, plan: Plan, images: Images, *, on_row: Callable[[Row], None] = lambda _row: None
) -> list[Row]:
    """Look at a board; `on_row` gets each row as it is found.

    A board that is lost in the midst is a row that failed, and what was left a row each that was
    skipped. Raises what keeps the first image from being put on the board.
    """
    began_s = desk.clock_s()
    rows: list[Row] = []
    for stage, (parts, share) in _STAGES.items():
        wanted = [part for part in parts if part in plan.parts]
        if not wanted:
            continue
        until_s = began_s + share * plan.limit_s
        for row in _stage(desk, plan, getattr(images, stage), wanted, until_s):
            rows.append(row)
            on_row(row)
        if any(row.name == _LOST for row in rows):
            break
    told = {row.part for row in rows}
    for part in plan.parts:
        if part not in told:
            rows.append(skipped(part, "all", "the board was lost before"))
            on_row(rows[-1])
    return rows


_LOST = "the board"


def _stage(desk: Desk, plan: Plan, image: Path, parts: list[str], until_s: float) -> Iterator[Row]:
    """Flash an image and yield what is seen with it."""
    desk.flash(image)
    part = parts[0]
    try:
        repl = RawRepl(desk.line)
        if clients.PART not in parts:
            repl.enter()
        for part in parts:
            looks = _looks(desk, plan, repl, image, part)
            for row in looks:
                yield row
                if desk.clock_s() >= until_s:
                    yield skipped(part, "the rest", "the time for it was over")
                    looks.close()
                    break
            with suppress(BulkheadError):
                repl = _again(desk, repl, part)
    except BulkheadError as error:
        yield failed(part, _LOST, f"it was lost: {error.cause}")


def _again(desk: Desk, repl: RawRepl, part: str) -> RawRepl:
    """Return the prompt on the present line: a part may have reset the board."""
    if part != storage.PART:
        return repl
    found = RawRepl(desk.line)
    found.enter()
    return found


def _looks(
    desk: Desk, plan: Plan, repl: RawRepl, image: Path, part: str
) -> Generator[Row, None, None]:
    """Yield what is seen of a part; closed before its end, it tidies up."""
    limit_s = desk.limit_s
    looks: dict[str, Callable[[], Iterator[Row]]] = {
        chip.PART: lambda: chip.look(repl, image, limit_s=limit_s),
        storage.PART: lambda: storage.look(desk, repl),
        lines.PART: lambda: lines.look(repl, plan.pins, plan.wires, limit_s=limit_s),
        kernel.CASES_PART: lambda: kernel.look_at_cases(
            repl, plan.named, plan.chooses, wires=plan.wires, limit_s=limit_s
        ),
        kernel.ATTACKS_PART: lambda: kernel.look_at_attacks(
            repl, plan.named, plan.chooses, limit_s=limit_s
        ),
        figures.PART: lambda: figures.look(repl, plan.chooses, limit_s=limit_s),
        clients.PART: lambda: clients.look(desk),
    }
    yield from looks[part]()


def beside(rows: list[Row], reference: list[Row]) -> list[Row]:
    """Return rows with the figures that another board has given for the same."""
    values = {(row.part, row.name): row.value for row in reference}
    return [replace(row, reference=values.get((row.part, row.name))) for row in rows]
