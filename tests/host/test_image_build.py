"""The builder: what is frozen runs, same inputs give the same bytes, and nothing is built twice.

These run the real build. With an empty cache the first one fetches and compiles for a minute;
then each costs a second.
"""

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.image import build as image_build
from bulkhead_host.image.build import Image, build_image, stock_image
from bulkhead_host.image.cache import Progress, locked
from bulkhead_host.image.firmware import FirmwareBuild
from bulkhead_host.image.uf2 import read_uf2
from bulkhead_host.paths import cache_dir

PAGE_SLACK = 1024

NATIVE = b"""
import micropython

@micropython.native
def triple(number):
    return number * 3

@micropython.viper
def wrapped(number: int) -> int:
    return number + number
"""


def run_on_the_board(image: Image, code: str) -> str:
    """Boot the image on an emulated RP2040 and return what the code prints."""
    emulator = str(Path(sys.executable).parent / "rp2040py")
    done = subprocess.run(
        [emulator, "micropython", "--image", image.path, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return str(done.stdout).strip()


def build(tmp_path: Path, files: Mapping[str, bytes]) -> Image:
    return build_image(files=files, output=tmp_path / "image.uf2")


def test_the_stock_image_is_micropython_with_asyncio_and_nothing_of_ours() -> None:
    printed = run_on_the_board(
        stock_image(),
        "import os, asyncio\nprint(os.uname().release, os.listdir('/'))\n"
        "try:\n import kernel\nexcept ImportError as e: print(e)",
    )
    assert printed.splitlines() == ["1.26.1 []", "no module named 'kernel'"]


def test_frozen_modules_are_imported_from_flash_without_a_file_system(tmp_path: Path) -> None:
    image = build(tmp_path, {"package/__init__.py": b"", "package/part.py": b"NAME = __name__\n"})
    printed = run_on_the_board(image, "import package.part as p\nprint(p.NAME, p.__file__)")
    assert printed == "package.part package/part.py"


def test_native_and_viper_functions_are_frozen_as_machine_code(tmp_path: Path) -> None:
    image = build(tmp_path, {"native.py": NATIVE})
    printed = run_on_the_board(
        image,
        # Bytecode would make a big integer of it; the machine's registers wrap around.
        "import native\nprint(native.triple(14), native.wrapped(0x7fffffff))",
    )
    assert printed == "42 -2"


def test_constants_in_frozen_machine_code_read_right_wherever_it_lands(tmp_path: Path) -> None:
    functions = [
        f"@micropython.viper\ndef f{i}(n: int) -> int:\n{'    n += 1' * (i > 0)}\n"
        + "    n += 1\n" * i
        + f"    return n + {1_000_003 * (i + 1)}\n"
        for i in range(8)
    ]
    image = build(tmp_path, {"literals.py": "".join(functions).encode()})
    printed = run_on_the_board(
        image, "import literals as m\nprint([getattr(m, 'f%d' % i)(0) for i in range(8)])"
    )
    expected = [1_000_003 * (i + 1) + i + (i > 0) for i in range(8)]
    assert printed == str(expected)


def test_a_frozen_main_runs_at_boot_and_frozen_line_numbers_survive(tmp_path: Path) -> None:
    image = build(tmp_path, {"failing.py": b"def fail():\n\n    raise ValueError('line 3')\n"})
    printed = run_on_the_board(
        image,
        "import sys, failing\ntry:\n failing.fail()\nexcept ValueError as e:"
        "\n sys.print_exception(e, sys.stdout)",
    )
    assert 'File "failing.py", line 3, in fail' in printed


def test_a_file_that_micropython_lacks_is_not_put_into_ram() -> None:
    with pytest.raises(UsageError, match=r'MicroPython has no "py/none\.c" to put into RAM'):
        build_image(files={"module.py": b"VALUE = 1\n"}, in_ram=("py/none.c",))


def test_an_unchanged_build_takes_the_image_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path, {"module.py": b"VALUE = 1\n"})

    def make(*_given: object) -> None:
        raise AssertionError("it was built again")

    monkeypatch.setattr(FirmwareBuild, "make", make)
    second = build_image(files={"module.py": b"VALUE = 1\n"}, output=tmp_path / "again.uf2")
    assert second.sha256 == first.sha256
    assert (tmp_path / "again.uf2").read_bytes() == first.path.read_bytes()


def test_an_image_that_another_merger_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, {"module.py": b"VALUE = 1\n"})
    monkeypatch.setattr("bulkhead_host.image.build._MAKERS", str(time.time_ns()))
    said: list[str] = []
    build_image(files={"module.py": b"VALUE = 1\n"}, progress=said.append)
    assert "linking MicroPython" in said


def test_a_changed_module_is_only_linked_again_and_back_again_gives_the_first_bytes(
    tmp_path: Path,
) -> None:
    constant = {"constant.py": b"VALUE = 3\n"}
    first = build(tmp_path, {"changed.py": b"VALUE = 1\n", **constant})
    unique = f"VALUE = {time.time_ns()}\n".encode()
    said: list[str] = []
    second = build_image(files={"changed.py": unique, **constant}, progress=said.append)
    assert "linking MicroPython" in said  # and nothing of its own is compiled
    assert second.sha256 != first.sha256
    assert (
        run_on_the_board(
            second, "import changed, constant\nprint(f'VALUE = {changed.VALUE}', constant.VALUE)"
        )
        == f"{unique.decode().strip()} 3"
    )
    shutil.rmtree(first.elf.parent)  # so that it is linked anew, after another image
    assert build(tmp_path, {"changed.py": b"VALUE = 1\n", **constant}).sha256 == first.sha256


def test_a_removed_module_is_gone_from_the_image(tmp_path: Path) -> None:
    build(tmp_path, {"kept.py": b"", "removed.py": b""})
    image = build(tmp_path, {"kept.py": b""})
    printed = run_on_the_board(
        image, "import kept\ntry:\n import removed\nexcept ImportError as e: print(e)"
    )
    assert printed == "no module named 'removed'"


def test_another_cache_in_another_place_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"module.py": b"import os\n\ndef f(a):\n    assert a\n", "native.py": NATIVE}
    here = build_image(files=files)
    sources = cache_dir() / "sources"
    elsewhere = tmp_path / "a-much-longer-path" / "to-another-cache"
    shutil.copytree(sources, elsewhere / "sources", symlinks=True)
    monkeypatch.setenv("BULKHEAD_CACHE", str(elsewhere))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("CFLAGS", "-O0")
    there = build_image(files=files)
    assert elsewhere in there.path.parents
    assert there.path.read_bytes() == here.path.read_bytes()


def test_no_path_of_this_machine_and_no_day_of_the_build_is_in_an_image(tmp_path: Path) -> None:
    image = read_uf2(build(tmp_path, {"module.py": b"VALUE = 1\n"}).path.read_bytes()).data
    for place in (cache_dir(), tmp_path, Path.cwd(), Path.home()):
        assert str(place).encode() not in image
    years = {int(year) for year in re.findall(rb"\b(20[2-9]\d)-\d\d-\d\d\b", image)}
    assert years == {2025}  # the release of MicroPython 1.26.1


def test_the_sizes_add_up_to_what_is_programmed(tmp_path: Path) -> None:
    text = b"word " * 2000
    small = build(tmp_path, {"large.py": b"TEXT = ''\n"})
    large = build(tmp_path, {"large.py": b"TEXT = '%s'\n" % text})
    in_flash = (".boot2", ".text", ".rodata", ".binary_info", ".data", ".ram_vector_table")
    for image in (small, large):
        assert (
            abs(sum(image.sections.get(name, 0) for name in in_flash) - image.flash_used)
            < PAGE_SLACK
        )
    assert abs(large.flash_used - small.flash_used - len(text)) < PAGE_SLACK


def test_an_image_that_overlaps_the_file_system_is_refused(tmp_path: Path) -> None:
    words = "".join(f"TEXT_{i} = '{os.urandom(2000).hex()}'\n" for i in range(100))
    with pytest.raises(BulkheadError, match=r"KiB too large") as failure:
        build(tmp_path, {"huge.py": words.encode()})
    assert failure.value.next_step
    assert not list(tmp_path.iterdir())


def test_a_syntax_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    with pytest.raises(BulkheadError, match=r"services/led/service\.py.*SyntaxError") as failure:
        build(tmp_path, {"services/led/service.py": b"x = 1\ndef main(task:\n    pass\n"})
    assert failure.value.next_step == "mend services/led/service.py line 3"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["module.txt", "/module.py", "../module.py", "a/../../b.py"])
def test_a_path_that_is_no_module_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be frozen"):
        build_image(files={path: b""})


def test_a_source_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.py cannot be read: No such file"):
        build_image(files={"module.py": tmp_path / "gone.py"})


def test_an_unknown_board_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match='no board "toaster"') as failure:
        build_image(board="toaster", files={})
    assert "pico" in failure.value.next_step


def test_a_cache_with_a_space_in_its_path_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "my cache"))
    with pytest.raises(BulkheadError, match="a space in") as failure:
        build_image(files={})
    assert "BULKHEAD_CACHE=" in failure.value.next_step


def test_what_a_killed_build_left_half_written_is_made_again(tmp_path: Path) -> None:
    number = time.time_ns()
    whole = build(tmp_path, {"module.py": f"VALUE = {number}\n".encode()})
    shutil.rmtree(whole.elf.parent)
    # The lock is held here, not by the build that dies: nobody else's build may come between.
    with locked(cache_dir() / "build.lock"):
        process = multiprocessing.get_context("spawn").Process(
            target=_build_under_our_lock, args=(number,)
        )
        left = set(_markers())  # by other builds that were killed, at any time
        process.start()
        marker = _await_marker(process, left)
        process.kill()
        process.join()
        started = marker.stat().st_mtime
        for path in marker.parent.rglob("*"):  # as if each file being written had been cut short
            if path.is_file() and path != marker and path.stat().st_mtime >= started:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert _build_one(number) == whole.sha256
    assert not marker.exists()


def _build_under_our_lock(number: int) -> None:
    vars(image_build)["locked"] = _held_already  # in a process of its own, which ends with it
    _build_one(number)


@contextmanager
def _held_already(_path: Path, _progress: Progress) -> Iterator[None]:
    yield


def _markers() -> Iterator[Path]:
    return (cache_dir() / "build").glob("pico-*/unfinished")


def _await_marker(process: SpawnProcess, left: set[Path]) -> Path:
    """Return the marker of a build once there is one, for as long as its process lives."""
    while process.is_alive():
        for marker in set(_markers()) - left:
            return marker
        process.join(0.01)
    raise AssertionError("the build did not start")


def _build_one(number: int) -> str:
    return build_image(files={"module.py": f"VALUE = {number}\n".encode()}).sha256


def test_an_image_that_the_cache_has_waits_for_no_other_build(tmp_path: Path) -> None:
    content = {"module.py": b"VALUE = 1\n"}
    first = build(tmp_path, content)

    def say(line: str) -> None:
        raise AssertionError(line)

    with locked(cache_dir() / "build.lock"):
        assert build_image(files=content, progress=say).sha256 == first.sha256


def test_two_builds_at_once_wait_for_each_other() -> None:
    base = time.time_ns()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        at_once = pool.map(_build_one, [base, base + 1])
    assert at_once == [_build_one(base), _build_one(base + 1)]
    assert at_once[0] != at_once[1]
