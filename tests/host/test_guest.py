"""A guest program that cannot be one is refused, with its place, before anything is built."""

import subprocess
import sys
from pathlib import Path

import pytest

from bulkhead_host.errors import UsageError
from bulkhead_host.image.guest import GUEST_BYTES_MAX, read_guest

BULKHEAD = Path(sys.executable).parent / "bulkhead"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "old_main.py"


def test_a_program_comes_with_its_name_and_its_source_as_it_is(program: Path) -> None:
    program.write_text("#!/usr/bin/env micropython\nwhile True:\n    pass\n")
    assert read_guest(program, architecture="armv6m") == ("old_main.py", program.read_text())


@pytest.mark.parametrize("command", ["run", "build"])
def test_a_syntax_error_exits_2_with_file_line_and_reason(program: Path, command: str) -> None:
    program.write_text("import time\nwhile True\n    pass\n")
    done = subprocess.run(
        [BULKHEAD, command, "--guest", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=program.parent,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"bulkhead: {program}:2: SyntaxError: invalid syntax\n  try: ")
    assert list(program.parent.iterdir()) == [program]


def test_a_missing_file_is_named(program: Path) -> None:
    with pytest.raises(UsageError, match=r"old_main\.py cannot be read: No such file"):
        read_guest(program, architecture="armv6m")


def test_a_file_that_is_no_text_is_refused(program: Path) -> None:
    program.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"old_main\.py:1: it is not text in UTF-8"):
        read_guest(program, architecture="armv6m")


@pytest.mark.parametrize(("excess", "is_good"), [(0, True), (1, False)])
def test_a_program_has_a_largest_size(program: Path, excess: int, *, is_good: bool) -> None:
    program.write_text("#" * (GUEST_BYTES_MAX + excess - 1) + "\n")
    if is_good:
        read_guest(program, architecture="armv6m")
    else:
        with pytest.raises(UsageError, match="at most"):
            read_guest(program, architecture="armv6m")
