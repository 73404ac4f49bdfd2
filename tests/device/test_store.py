"""The store: kinds of values, bounds, few writes, and power that fails at any write."""

import ast
import re
from pathlib import Path

import pytest
from power import FILE_SYSTEM, PowerMeter

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "store_app"

DRAWER = (source_root() / "services" / "store" / "drawer.py").read_text()
LOOK = """
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(rp2.Flash(), progsize=256), "/")
drawer = Drawer("/store/keeper")
print(drawer.values.get("count", 0), drawer.values.get("mirror", "0")[-1])
"""
COMMITS = """
for count in range(1, 5):
    pairs = ("count", count, "more", "m" * 300 * (count % 2), "mirror", str(count))
    drawer.put(pairs, 32, 1024)
    drawer.save()
"""
GO_ON = """
drawer.put(("count", 7, "mirror", "7"), 32, 1024)
print(drawer.save(), Drawer("/store/keeper").values)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("image") / "store.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    return image


@pytest.fixture(scope="module")
def boots(image: Path) -> tuple[PowerMeter, dict[str, str]]:
    """Boot twice; return what the second commit did to the flash, and what was logged then."""
    with EmulatedBoard(image=image) as board:
        assert b"kept: 0 0" in board.run_until(b"saved: 0 1", timeout_ms=5000)
        board.run_for(ms=10)
        meter = PowerMeter(board)
        board.reset()
        board.run_until(b"saved: 0 2", timeout_ms=5000)
        meter.end()
        said = board.run_until(b"all done", timeout_ms=10_000).decode()
    return meter, dict(re.findall(r"keeper: ([^:\r]*): ([^\r]*)", said))


def test_values_come_back_with_their_types(boots: tuple[PowerMeter, dict[str, str]]) -> None:
    assert boots[1]["kinds"] == "True"


def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    boots: tuple[PowerMeter, dict[str, str]],
) -> None:
    said = boots[1]
    assert said["none"] == "1 None"
    assert said["odd"] == "191 None"
    assert said["long key"] == "3 None"
    assert said["all or none"] == "1 None"


def test_a_client_has_so_many_bytes(boots: tuple[PowerMeter, dict[str, str]]) -> None:
    assert boots[1]["big"] == "[0, 0, 0, 0, 2, 2, 2, 2]"
    used, limit, _ = ast.literal_eval(boots[1]["use"][2:])
    assert limit - 200 < used <= limit


def test_many_puts_are_one_write_and_unchanged_values_none(
    boots: tuple[PowerMeter, dict[str, str]],
) -> None:
    said = boots[1]
    written = [ast.literal_eval(said[key][2:])[2] for key in ("use", "unchanged", "coalesced")]
    assert written == [written[0], written[0], written[0] + 1]
    assert said["deleted"] == "1 None"


def test_power_that_fails_at_any_write_leaves_the_old_or_the_new(
    boots: tuple[PowerMeter, dict[str, str]], stock_board: EmulatedBoard
) -> None:
    execute(stock_board, f"import rp2, vfs\n{DRAWER}")
    flash = bytes(stock_board.chip.flash)
    left = []
    for number, state in enumerate(boots[0].cuts()):
        stock_board.chip.flash[FILE_SYSTEM:] = state
        left.append(execute(stock_board, LOOK).strip())
        if number % 4 == 0:
            assert "'count': 7" in execute(stock_board, GO_ON)
    stock_board.chip.flash[:] = flash
    print(f"{len(left)} cut points, {left.count('1 1')} old, {left.count('2 2')} new")
    assert sorted(left) == left
    assert set(left) == {"1 1", "2 2"}


def test_power_that_fails_in_any_of_many_commits_loses_none_before(
    stock_board: EmulatedBoard,
) -> None:
    execute(stock_board, f"import rp2, vfs\n{DRAWER}\nos.mkdir('/store')\n{LOOK}")
    flash = bytes(stock_board.chip.flash)
    meter = PowerMeter(stock_board)
    execute(stock_board, COMMITS)
    meter.end()
    left = []
    for state in meter.cuts():
        stock_board.chip.flash[FILE_SYSTEM:] = state
        left.append(execute(stock_board, LOOK).strip())
    stock_board.chip.flash[:] = flash
    print(f"{len(left)} cut points in 4 commits")
    assert sorted(left) == left
    assert set(left) == {f"{count} {count}" for count in range(5)}


def test_a_board_whose_power_failed_boots_with_the_old_or_the_new(
    boots: tuple[PowerMeter, dict[str, str]], image: Path
) -> None:
    board = EmulatedBoard(image=image)
    board.start()
    board.run_until(b"saved: 0 1", timeout_ms=5000)
    kept = 1
    for cut_at in (len(boots[0].writes) // 2, len(boots[0].writes)):
        PowerMeter(board, cut_at=cut_at)
        board.reset()
        board.run_for(ms=3000)
        assert not board.is_powered
        board.on_flash_write(None)
        board.start()
        said = board.run_until(b"saved: 0", timeout_ms=5000).decode()
        match = re.search(r"kept: (\d+) (\d)", said)
        assert match
        assert match[1] == match[2]
        assert kept <= int(match[1]) <= kept + 1
        kept = int(match[1]) + 1
        board.run_for(ms=10)
    board.stop()
