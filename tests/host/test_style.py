"""Sizes, words, format and lint: the tree keeps to them, and each way to break them is found."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bulkhead_host.checks.files import tree_files
from bulkhead_host.checks.ruff import check_format, check_lint
from bulkhead_host.checks.style import (
    FUNCTION_LINES_MAX,
    LINE_COLUMNS_MAX,
    MODULE_LINES_MAX,
    check_style,
)
from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty git repository with this project's settings."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(source_root() / "pyproject.toml", tmp_path)
    return tmp_path


def _write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Path(name)


def _function(lines: int) -> str:
    return "def f():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("name", "longest", "too_long"),
    [
        ("a.py", _function(FUNCTION_LINES_MAX), _function(FUNCTION_LINES_MAX + 1)),
        ("a.py", "pass\n" * MODULE_LINES_MAX, "pass\n" * (MODULE_LINES_MAX + 1)),
        ("a.md", "x" * LINE_COLUMNS_MAX, "x" * (LINE_COLUMNS_MAX + 1)),
    ],
)
def test_both_sides_of_each_limit(root: Path, name: str, longest: str, too_long: str) -> None:
    file = _write(root, name, longest)
    assert check_style(root) == []
    _write(root, name, too_long)
    assert [problem.path for problem in check_style(root)] == [file]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "TO" + "DO: say more"),
        ("firmware/a.py", "# FIX" + "ME"),
        ("Makefile", "CACHE := /ho" + "me/someone/cache"),
        ("a.sh", "cd /wo" + "rk/main"),
        ("a.toml", 'index = "https://py' + 'pi.org/simple"'),
        ("a.py", "def f():\n    raise NotImplemented" + "Error"),
        ("tests/test_a.py", "def test_a():\n    assert " + "True"),
        ("tests/test_a.py", "@pytest.mark." + "xfail\ndef test_a():\n    pass"),
        ("tests/test_a.py", "from unittest." + "mock import patch"),
    ],
)
def test_words_that_no_file_may_say(root: Path, name: str, text: str) -> None:
    file = _write(root, name, text + "\n")
    assert [problem.path for problem in check_style(root)] == [file]


def test_hosts_of_this_machines_package_clients(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@mirror.example:8080/simple")
    file = _write(root, "a.txt", "packages come from mirror.example\n")
    assert [problem.path for problem in check_style(root)] == [file]


def test_ignored_files_are_not_looked_at(root: Path) -> None:
    _write(root, ".gitignore", "build/\n")
    _write(root, "build/a.py", "")
    assert tree_files(root) == [Path(".gitignore"), Path("pyproject.toml")]


def test_a_folder_without_git_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(BulkheadError, match="git") as caught:
        tree_files(tmp_path)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("firmware/kernel/a.py", '"""M."""\n\nimport struct\n', "F401"),
        ("firmware/kernel/a.py", '"""M."""\n\n\ndef f():\n    return 1\n', "D103"),
        ("firmware/kernel/a.py", '"""M."""\n\n_A = nothing\n', "F821"),
        ("services/a/service.py", '"""M."""\n\ntry:\n    _A = 1\nexcept:\n    _A = 2\n', "E722"),
        ("host_tools/bulkhead_host/a.py", "_A = 1\n", "D100"),
        ("host_tools/bulkhead_host/a.py", '"""M."""\n\n# x = f(1)\n', "ERA001"),
    ],
)
def test_lint_finds(root: Path, name: str, text: str, code: str) -> None:
    file = _write(root, name, text)
    assert [(p.path, p.text.split()[0]) for p in check_lint(root)] == [(file, code)]


def test_device_code_may_be_written_for_micropython(root: Path) -> None:
    text = (
        '"""M."""\n\nfrom kernel.abi import (\n    CALL, DEAD, OK,\n)  # fmt: skip\n'
        "import micropython\n\n\n@micropython.viper\ndef f(w: ptr32, a: int, b, c, d, e) -> int:\n"
        '    """Do."""\n    print("%d" % a)\n    if a == CALL or a == DEAD or a == OK:\n'
        "        return 12\n    return w[a]\n"
    )
    _write(root, "firmware/kernel/a.py", text)
    assert check_lint(root) == []
    assert check_format(root) == []


def test_format_finds_another_layout(root: Path) -> None:
    file = _write(root, "services/a/service.py", "x = {  'a':1 }\n")
    assert [problem.path for problem in check_format(root)] == [file]
