"""What the README shows is what happens: its commands are run, and their output compared."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from readme import Shell, blocks, differences, sessions

from bulkhead_host.paths import source_root

README = source_root() / "README.md"
TOOLS = source_root() / "host_tools" / "README.md"
BLOCKS = [(page, number) for page in (README, TOOLS) for number in range(len(blocks(page)))]
_LINES_MAX = 10


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Yield a shell in a folder that stands for the clone, with its `build/` empty."""
    for name in ("Makefile", "pyproject.toml", "host_tools"):
        (tmp_path / name).symlink_to(source_root() / name)
    (tmp_path / "build").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / ".venv" / ".ready").write_text(f"{tmp_path.resolve()}\n")
    opened = Shell(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("page", "number"),
    BLOCKS,
    ids=[f"{page.relative_to(source_root())}-{number}" for page, number in BLOCKS],
)
def test_the_readme_shows_what_happens(shell: Shell, page: Path, number: int) -> None:
    for command, shown in sessions(blocks(page)[number]):
        seen = shell.run(command)
        assert differences(shown, seen) == [], "\n".join([command, *seen])


def test_the_first_run_fits_ten_lines() -> None:
    assert len(blocks(README)[0]) <= _LINES_MAX


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        (["a"], ["b"]),
        (["a"], ["a", "b"]),
        (["a", "b"], ["a", "c", "b"]),
        (["...", "b"], ["a"]),
        (["blink 5 sleeping 2"], ["blink 5 sleeping 1"]),
    ],
)
def test_output_that_is_not_as_shown_is_found(shown: list[str], seen: list[str]) -> None:
    assert differences(shown, seen) != []


def test_times_states_and_ends_of_lines_may_differ() -> None:
    shown = ["up 10.013 s", "...", "blink 5 sleeping 2", "..."]
    assert differences(shown, ["up 9.998 s", "x", "blink  5  ready  2  8.1", "y"]) == []
