"""Files: two instances with a medium each, clients apart, quotas, power that fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from power import FILE_SYSTEM, PowerMeter

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute
from bulkhead_host.paths import source_root

APPLICATION = Path(__file__).parents[1] / "cases" / "files_app"
ROOT = (source_root() / "services" / "files" / "root.py").read_text()
LOOK = """
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(rp2.Flash(), progsize=256), "/")
root = Root("/files", 4096, 8)
print([(name, root.sizes[name], root.read(name, 0, 4), root.read(name, root.sizes[name] - 4, 4))
       for name in sorted(root.sizes)])
"""
CHANGES = (
    'root.write("a", 0, 900 * b"1")',
    'root.write("a", 450, 900 * b"2")',
    'root.replace("a", 900 * b"3")',
    'root.rename("a", "b")',
    'root.remove("b")',
)
STATES = (
    "[]",
    "[('a', 900, b'1111', b'1111')]",
    "[('a', 1350, b'1111', b'2222')]",
    "[('a', 900, b'3333', b'3333')]",
    "[('b', 900, b'3333', b'3333')]",
    "[]",
)


@pytest.fixture(scope="module")
def boots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, str]]]:
    """Boot the application twice; return what was logged each time: step to status and value."""
    image = tmp_path_factory.mktemp("image") / "files.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        said = []
        for _ in range(2):
            output = board.run_until(b"all done", timeout_ms=30_000).decode()
            output += board.run_until(b"other: list", timeout_ms=5000).decode()
            board.run_for(ms=20)
            output += board.read().decode()
            said.append(dict(re.findall(r"(?:author|other): ([^:\r]*): ([^\r]*)", output)))
            board.reset()
        yield said


@pytest.mark.parametrize("volume", ["files", "scratch"])
def test_one_code_serves_the_flash_and_ram_alike(boots: list[dict[str, str]], volume: str) -> None:
    said = {step: value for step, value in boots[0].items() if step.startswith(volume)}
    assert said[f"{volume} replace"] == "0 5"
    assert said[f"{volume} append"] == "0 9"
    assert said[f"{volume} inside"] == "0 1"
    assert said[f"{volume} hole"] == "191 None"
    assert said[f"{volume} read"] == "0 b'fXrst an'"
    assert said[f"{volume} end"] == "0 b'more'"
    assert said[f"{volume} behind"] == "0 0"
    assert said[f"{volume} rename"] == "0 None"
    assert said[f"{volume} stat"] == "0 14"
    assert said[f"{volume} gone"] == "1 None"
    assert said[f"{volume} remove"] == "0 None"
    assert said[f"{volume} list"] == "0 ('notes', 7)"
    assert said[f"{volume} no more"] == "1 None"


def test_each_instance_has_a_quota_of_its_own(boots: list[dict[str, str]]) -> None:
    said = boots[0]
    assert (said["files quota"], said["files use"]) == ("0 (0, 0, 0)", "0 (3086, 65536)")
    assert (said["scratch quota"], said["scratch use"]) == ("193 (0, 2, 191)", "0 (1038, 2048)")


def test_clients_do_not_see_each_others_files(boots: list[dict[str, str]]) -> None:
    for said in boots:
        assert (said["replace"], said["list"]) == ("0 8", "0 ('notes', 8)")
    assert boots[0]["files nonsense"] == "0 None"


def test_the_flash_keeps_what_the_ram_forgets(boots: list[dict[str, str]]) -> None:
    assert [said["files kept"] for said in boots] == ["1 b''", "0 b'of mine'"]
    assert [said["scratch kept"] for said in boots] == ["1 b''", "1 b''"]


def test_power_that_fails_at_any_write_leaves_all_of_a_change_or_nothing(
    stock_board: EmulatedBoard,
) -> None:
    execute(stock_board, f"import rp2, vfs\n{ROOT}\n{LOOK}")
    flash = bytes(stock_board.chip.flash)
    cuts = 0
    for change, old, new in zip(CHANGES, STATES, STATES[1:], strict=False):
        meter = PowerMeter(stock_board)
        execute(stock_board, change)
        meter.end()
        after = bytes(stock_board.chip.flash)
        left = []
        for state in meter.cuts():
            stock_board.chip.flash[FILE_SYSTEM:] = state
            left.append(execute(stock_board, LOOK).strip())
        stock_board.chip.flash[:] = after
        execute(stock_board, LOOK)
        cuts += len(left)
        assert (left[0], left[-1]) == (old, new)
        assert left == [old] * left.count(old) + [new] * (len(left) - left.count(old))
    stock_board.chip.flash[:] = flash
    print(f"{cuts} cut points in {len(CHANGES)} changes")
