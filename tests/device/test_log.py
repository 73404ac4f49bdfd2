"""The log: a service that floods it loses its own records, counted; the journal in the flash."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from power import FILE_SYSTEM, PowerMeter

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.log import LogLine, parse_line
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "log_app"
SENT = 200
PAGES = (source_root() / "services" / "journal" / "pages.py").read_text()
MOUNT = """
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(rp2.Flash(), progsize=256), "/")
"""
PAGE_BYTES = 1100
"""Two lines."""
READ = f"""
pages = Pages("/log", {PAGE_BYTES})
for path in sorted(pages.paths, key=number_of):
    if number_of(path):
        print(open(path).read(), end="")
"""
WRITE = """
for number in range(4):
    pages.append(b"line %d %s\\n" % (number, 500 * b"x"))
"""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """What the console printed, the lines in the flash, and those that the logger still has."""

    printed: list[LogLine]
    kept: list[str]
    last: list[str]
    failing: list[str]

    def of(self, name: str) -> list[str]:
        """Return what a service's printed lines say."""
        return [line.text for line in self.printed if line.service == name]


@pytest.fixture(scope="module")
def flash_and_output(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[bytes, str, list[str], list[str]]]:
    image = tmp_path_factory.mktemp("image") / "log.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        output = board.run_until(b"all done", timeout_ms=10_000)
        lines: list[str] = []
        client = Client(BoardTransport(board), on_output=lines.append)
        client.listen(0.5)
        client.call("quiet", 1, timeout_ms=100)  # it fails
        client.listen(11)  # the journal writes what is ten seconds old
        flash = bytes(board.chip.flash[FILE_SYSTEM:])
        yield flash, output.decode(), client.kept_log(), lines


@pytest.fixture
def logged(
    flash_and_output: tuple[bytes, str, list[str], list[str]], stock_board: EmulatedBoard
) -> Logged:
    before = bytes(stock_board.chip.flash)
    stock_board.chip.flash[FILE_SYSTEM:] = flash_and_output[0]
    kept = execute(stock_board, f"import rp2, vfs\n{PAGES}{MOUNT}{READ}")
    stock_board.chip.flash[:] = before
    printed = [parse_line(line.strip()) for line in flash_and_output[1].splitlines()]
    return Logged(
        printed=[line for line in printed if line],
        kept=kept.splitlines(),
        last=flash_and_output[2],
        failing=flash_and_output[3],
    )


def test_a_flood_pushes_out_no_others_records_and_its_losses_are_counted(logged: Logged) -> None:
    assert logged.of("quiet")[:5] == [f"calm {number}" for number in range(5)]
    said = logged.of("flooder")
    lost = [int(count) for count in re.findall(r"(\d+) records lost", "\n".join(said))]
    floods = [int(text.split()[1]) for text in said if text.startswith("flood")]
    assert lost
    assert floods == sorted(floods)
    assert len(floods) + sum(lost) == SENT


def test_records_below_the_level_are_not_kept(logged: Logged) -> None:
    assert "not kept" not in logged.of("flooder")
    assert "refused: [191, 191, 191, 191]" in logged.of("quiet")


def test_the_journal_has_the_log_and_the_faults(logged: Logged) -> None:
    assert logged.kept[:2] == ["# 1", "boot"]
    kept = "\n".join(logged.kept)
    for number in range(5):
        assert f"I quiet: calm {number}" in kept
    assert "saved: 0, all done" in logged.of("quiet")
    assert "quiet faulted: " in kept
    assert parse_line(logged.kept[2]) is not None


def test_the_last_records_stay_whoever_has_seen_them(logged: Logged) -> None:
    last = [line for line in map(parse_line, logged.last) if line]
    assert len(last) == len(logged.last)
    calm = [line.text for line in last if line.text.startswith("calm")]
    assert calm[:5] == [f"calm {number}" for number in range(5)]
    told = [line.text for line in last if line.service == "supervisor"]
    assert told[-1].startswith("quiet faulted: ")
    floods = [line.text for line in last if line.text.startswith("flood ")]
    assert floods[-1] == f"flood {SENT - 1}"
    assert len(last) <= 64


def test_no_text_of_a_service_looks_like_a_line_of_another(logged: Logged) -> None:
    shown = [*logged.failing, *logged.kept, *logged.last]
    forged = [line for line in map(parse_line, shown) if line and "forged" in line.text]
    assert {line.service for line in forged} == {"quiet"}
    assert not any(ord(letter) < ord(" ") for letter in "".join(shown))
    assert any(line.startswith("ValueError: two?\\n  File") for line in logged.failing)


def test_the_journal_is_whole_after_power_fails_at_any_write(stock_board: EmulatedBoard) -> None:
    execute(stock_board, f"import rp2, vfs\n{PAGES}{MOUNT}{READ}")
    flash = bytes(stock_board.chip.flash)
    meter = PowerMeter(stock_board)
    execute(stock_board, WRITE)
    meter.end()
    last: list[int] = []
    for state in meter.cuts():
        stock_board.chip.flash[FILE_SYSTEM:] = state
        lines = execute(stock_board, f"{MOUNT}{READ}").splitlines()
        numbers = [int(line.split()[1]) for line in lines if line.startswith("line")]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else last == []
        last += numbers[-1:]
        assert len("\n".join(lines)) <= 2 * PAGE_BYTES
    stock_board.chip.flash[:] = flash
    print(f"{len(meter.writes)} writes, cut before and in each")
    assert last == sorted(last)
    assert set(last) == set(range(4))
