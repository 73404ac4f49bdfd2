"""Text is UTF-8 under any locale, what is written is whole, and errors name the file."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk, bulkhead
from small_system import BOARD, application

from bulkhead_host.checks.text import check_text
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import (
    NotText,
    append_text,
    folder_whole,
    read_text,
    write_all,
    write_new,
    write_text,
    write_whole,
)
from bulkhead_host.image.application import service_files
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.image.process import ProgramFailed
from bulkhead_host.paths import mpy_cross_program, source_root
from bulkhead_host.system.examine import examine

# A locale that is not UTF-8, in all the ways by which Python goes by it.
POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES = [
    POSIX,
    {**POSIX, "LC_ALL": "POSIX", "LANG": "de_DE.ISO-8859-1"},
    {**POSIX, "PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-16"},
]
SERVICE = 'UNIT = "°C → grün"\n\n\ndef main(task):\n    yield task.send(0, 1, UNIT)\n'
DIGEST = """
import sys
from pathlib import Path
from bulkhead_host.image.application import system_files
files = system_files(Path(sys.argv[1]), board="pico")
sys.stdout.buffer.write(files["services/warm/service.py"] + files["bulkhead_system.py"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = application(tmp_path, warm='\n[config]\nunit = "°C"\n')
    text = read_text(made / "warm" / "service.toml").replace("[config]", '[config]\nname = "grün"')
    write_text(made / "warm" / "service.toml", text)
    write_text(made / "warm" / "service.py", SERVICE)
    return made


def image_text(folder: Path, **environment: str) -> bytes:
    """Return what of a service, and of the system's table, goes into an image."""
    command = [sys.executable, "-c", DIGEST, str(folder)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=True
    ).stdout


def test_strings_of_a_service_are_the_same_bytes_under_any_locale(folder: Path) -> None:
    text = image_text(folder)
    assert "°C → grün".encode() in text
    assert "'unit', '°C'".encode() in text
    assert [image_text(folder, **locale) for locale in LOCALES] == [text] * len(LOCALES)


@pytest.mark.parametrize("name", ["warm/service.py", "warm/service.toml", "system.toml"])
@pytest.mark.parametrize(
    "saved",
    [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\r\n")],
    ids=["byte order mark", "carriage returns"],
)
def test_how_an_editor_has_saved_a_file_changes_nothing(
    folder: Path, name: str, saved: Callable[[bytes], bytes]
) -> None:
    before = service_files(folder / "warm", "warm")
    (folder / name).write_bytes(saved((folder / name).read_bytes()))
    assert examine(folder, board=BOARD).errors == []
    assert service_files(folder / "warm", "warm") == before


def test_a_file_in_another_encoding_is_refused_by_its_line(folder: Path) -> None:
    for name in ("service.py", "service.toml"):
        path = folder / "warm" / name
        content = path.read_bytes()
        path.write_bytes(b"# coding: latin-1\n# gr\xfcn\n" + content)
        done = bulkhead("check", str(folder), **POSIX)
        assert done.returncode == 1
        assert f"{name}:2: error: it is not text in UTF-8" in done.stdout
        assert "save the file as UTF-8" in done.stdout
        path.write_bytes(content)


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_printed_is_utf8_under_any_locale(desk: Desk, locale: dict[str, str]) -> None:
    desk.board.answers["led", 1] = (0, "°C → grün")
    done = bulkhead("call", "led.SET", "grün", port=desk.port, **locale)
    assert (done.returncode, done.stdout, done.stderr) == (0, "°C → grün\n", "")
    assert desk.board.calls[-1][2] == "grün"


def test_a_word_that_is_no_text_is_refused(desk: Desk) -> None:
    done = bulkhead("call", "led.SET", os.fsdecode(b"gr\xfcn"), port=desk.port)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not text in UTF-8" in done.stderr


def test_what_editors_keep_beside_a_file_is_no_module(folder: Path) -> None:
    before = service_files(folder / "warm", "warm")
    (folder / "warm" / ".#service.py").symlink_to("user@host.1234")
    (folder / "warm" / "._service.py").write_bytes(b"\0\5\26\7")
    (folder / "warm" / ".hidden").mkdir()
    (folder / "warm" / ".hidden" / "x.py").write_bytes(b"\xff")
    (folder / "warm" / "folder.py").mkdir()
    assert examine(folder, board=BOARD).errors == []
    assert service_files(folder / "warm", "warm") == before


# Files


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file take a byte, as on a full disk: the system names no file then either."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize(
    "write", [write_text, lambda path, _: write_new(path, b"x")], ids=["text", "new"]
)
def test_a_full_disk_is_told_with_the_file_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Path, str], None]
) -> None:
    path = tmp_path / "made" / "here" / "x.json"
    with pytest.raises(OSError, match="too large") as caught:
        write(path, "x")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_old_file_and_no_half_folder(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    for write in (write_text, append_text):
        with pytest.raises(OSError, match="too large") as caught:
            write(path, "new")
        assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="too large") as caught, folder_whole(tmp_path / "f") as made:
        write_text(made / "a" / "b", "new")
    assert caught.value.filename == str(tmp_path / "f" / "a" / "b")
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b""


def test_what_is_no_regular_file_is_written_to_and_a_link_is_followed(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o640)
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_file_for_one_user_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "key"
    write_new(path, b"first")
    write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_text_has_a_line_for_what_is_not_utf8(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"\xef\xbb\xbfone\r\ntwo\rthree")
    assert read_text(tmp_path / "x") == "one\ntwo\nthree"
    write_whole(tmp_path / "x", b"one\ntwo\n\xff\n")
    with pytest.raises(NotText, match=r"x:3: it is not text in UTF-8"):
        read_text(tmp_path / "x")


def test_of_several_files_all_are_written_or_none(tmp_path: Path) -> None:
    old = tmp_path / "system.toml"
    old.write_bytes(b"old")
    made = {tmp_path / "a" / "b" / "x.py": "x", tmp_path / "a" / "y.py": "y", old: "new"}
    with pytest.raises(IsADirectoryError):
        write_all({**made, Path("/dev"): "z"})
    assert [file.name for file in tmp_path.iterdir()] == ["system.toml"]
    assert old.read_bytes() == b"new"  # each by itself is whole
    write_all(made)
    assert (tmp_path / "a" / "b" / "x.py").read_bytes() == b"x"


@pytest.mark.parametrize("home", [None, ""])
def test_a_user_without_a_home_is_told_what_to_set(home: str | None, tmp_path: Path) -> None:
    code = "import sys; from bulkhead_host.{0} import {1}; print({1}())"
    environment = {name: value for name, value in os.environ.items() if "HOME" not in name}
    for variable in ("BULKHEAD_CACHE", "BULKHEAD_KEY"):
        environment.pop(variable, None)
    if home is not None:
        environment["HOME"] = home
    nobody = "import pwd; pwd.getpwuid = lambda _: (_ for _ in ()).throw(KeyError())\n"
    for module, function, variable in (
        ("paths", "cache_dir", "BULKHEAD_CACHE"),
        ("link.key", "key_file", "BULKHEAD_KEY"),
    ):
        command = [sys.executable, "-c", nobody + code.format(module, function)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert "this user has no home folder" in done.stderr, done.stdout
        named = {**environment, variable: str(tmp_path / variable)}
        done = subprocess.run(command, env=named, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == str(tmp_path / variable)
    assert [file.name for file in tmp_path.iterdir()] == ["BULKHEAD_CACHE"]


@pytest.mark.parametrize("number", ["1e39", "-1e400", "1e39j", "3.5e38", "1E+50"])
def test_a_number_that_no_board_holds_is_refused_by_its_line(folder: Path, number: str) -> None:
    write_text(folder / "warm" / "service.py", SERVICE + f"\n\nLARGE = {number}\n")
    done = bulkhead("check", str(folder))
    assert done.returncode == 1
    assert "service.py:8: error: " in done.stdout
    assert "is more than a float of the board holds" in done.stdout
    with pytest.raises(BulkheadError, match=r"services/warm/service.py:\d+: .* more than a float"):
        compile_module(
            service_files(folder / "warm", "warm")["services/warm/service.py"],
            "services/warm/service.py",
            architecture="armv6m",
            mpy_cross=mpy_cross_program(),
        )


@pytest.mark.parametrize("number", ["3.4e38", "1e-50", "float('inf')", "'1e39'", "10**50"])
def test_a_number_that_a_board_holds_is_right(folder: Path, number: str) -> None:
    write_text(folder / "warm" / "service.py", SERVICE + f"\n\nNUMBER = {number}\n")
    assert examine(folder, board=BOARD).errors == []


def test_a_program_that_fails_is_told_by_what_was_wrong() -> None:
    said = "[1/2] x\na.c:3: error: no such thing\nninja: build stopped: subcommand failed.\n"
    assert ProgramFailed(["ninja"], 1, said).reason == "a.c:3: error: no such thing"
    assert ProgramFailed(["ninja"], 1, "one\ntwo\n").reason == "two"


# The check


def test_the_host_tools_name_the_encoding_of_all_text() -> None:
    assert [str(problem) for problem in check_text(source_root())] == []


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text()",
        "(a / b).write_text(x)",
        'path.read_text(errors="replace")',
        "open(name)",
        'open(name, "a+")',
        "path.open()",
        'path.open("w")',
        'path.open(mode="w")',
        'io.open(name, "r")',
        'os.fdopen(1, "w")',
        'NamedTemporaryFile("w")',
        "subprocess.run(x, text=True)",
        "Popen(x, universal_newlines=True)",
        "TextIOWrapper(raw)",
    ],
)
def test_text_without_an_encoding_is_found(tmp_path: Path, code: str) -> None:
    folder = tmp_path / "host_tools"
    folder.mkdir()
    (folder / "x.py").write_bytes(f"x = 1\n{code}\n".encode())
    assert [(str(one.path), one.line) for one in check_text(tmp_path)] == [("host_tools/x.py", 2)]
    named = f'{code[:-1]}, encoding="utf-8")'.replace("(, ", "(")
    (folder / "x.py").write_bytes(named.encode())
    assert check_text(tmp_path) == []


@pytest.mark.parametrize(
    "code",
    ['open(x, "rb")', 'path.open("wb")', "os.open(x, 1)", "NamedTemporaryFile()", "v.open(a, b)"],
)
def test_bytes_need_no_encoding(tmp_path: Path, code: str) -> None:
    (tmp_path / "host_tools").mkdir()
    (tmp_path / "host_tools" / "x.py").write_bytes(code.encode())
    assert check_text(tmp_path) == []
