"""Sizes and words: what the style asks for and ruff has no rule for."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bulkhead_host.checks.files import tree_files
from bulkhead_host.files import read_text
from bulkhead_host.problem import Problem

FUNCTION_LINES_MAX = 70
# Functions that may be longer, and why.
LONG_FUNCTIONS = {
    # The kernel's hot loop: a call out of it costs 5 us of the 80 that a call and its reply take.
    ("firmware/kernel/dispatch.py", "dispatch"): 130,
}
MODULE_LINES_MAX = 500
LINE_COLUMNS_MAX = 99  # of Python files ruff knows better which lines cannot be broken
# Above these a function or module is unusual; `make check` counts them.
FUNCTION_LINES_USUAL = 25
MODULE_LINES_USUAL = 250

TEXT_SUFFIXES = frozenset({"", ".in", ".lock", ".md", ".py", ".sh", ".toml", ".txt", ".yml"})
# Each pattern is written so that it does not match its own text here.
FORBIDDEN_TEXT = {
    r"\b(?:T[O]DO|F[I]XME|X{3})\b": "finish it, or file an issue",
    r"(?<![\w.}<-])/(?:home|root|work|Users)/\w": "an absolute path of one machine",
    r"(?:pypi|pythonhosted|npmjs|npmmirror)\.\w|deb\.debian\.\w": "the host of a package registry",
}
FORBIDDEN_CODE = {
    r"\bassert True\s*(?:#|$)": "a test that cannot fail",
    r"\bNotImplementedErro[r]\b": "write it, or leave it out",
    r"\bunittest\.m[o]ck\b|\bMagicM[o]ck\b": "use a fake, not a mock",
    r"\bpytest\.(?:mark\.)?(?:xfail|skip|importorskip)": "a test runs, or is not there",
    r"#\s*st[u]b\b": "write it, or leave it out",
}
_MACHINE_SETTINGS = re.compile(r"PIP_|UV_|NPM_|https?_proxy$", re.IGNORECASE)
_URL_HOST = re.compile(r"https?://(?:[^/@\s]*@)?([\w.-]+)")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1"})


def check_style(root: Path) -> list[Problem]:
    """Return what is too long or says what no file of the tree may say."""
    forbidden = {re.compile(pattern): text for pattern, text in FORBIDDEN_TEXT.items()}
    for host in machine_hosts():
        forbidden[re.compile(re.escape(host))] = "the host of this machine's package registry"
    code = {re.compile(pattern): text for pattern, text in FORBIDDEN_CODE.items()}
    problems = []
    for file in tree_files(root):
        if file.suffix not in TEXT_SUFFIXES:
            continue
        lines = read_text(root / file).splitlines()
        is_python = file.suffix == ".py"
        problems += _lines(file, lines, {**forbidden, **code} if is_python else forbidden)
        if is_python:
            problems += _sizes(file, lines)
    return problems


def unusual_sizes(root: Path) -> list[str]:
    """Return the functions and modules that are longer than usual and within the limits."""
    found = []
    for file in tree_files(root):
        if file.suffix != ".py":
            continue
        lines = read_text(root / file).splitlines()
        if len(lines) > MODULE_LINES_USUAL:
            found.append(f"{file.as_posix()}: {len(lines)} lines")
        for name, line, length in _functions(lines):
            if length > FUNCTION_LINES_USUAL:
                found.append(f"{file.as_posix()}:{line}: {name}: {length} lines")
    return found


def machine_hosts() -> frozenset[str]:
    """Return the hosts that this machine's environment names for package clients."""
    values = (value for name, value in os.environ.items() if _MACHINE_SETTINGS.match(name))
    return frozenset(host for value in values for host in _URL_HOST.findall(value)) - _LOCAL_HOSTS


def _lines(file: Path, lines: list[str], forbidden: dict[re.Pattern[str], str]) -> list[Problem]:
    problems = []
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_COLUMNS_MAX and not _may_be_long(file, line):
            text = f"{len(line)} columns; at most {LINE_COLUMNS_MAX}"
            problems.append(Problem(path=file, line=number, text=text))
        problems += [
            Problem(path=file, line=number, text=f"{match[0]!r}: {text}")
            for pattern, text in forbidden.items()
            if (match := pattern.search(line))
        ]
    return problems


def _may_be_long(file: Path, line: str) -> bool:
    """Tell whether ruff judges the line, a program wrote it, or it is a row of a table."""
    is_row = file.suffix == ".md" and line.startswith("|")
    return is_row or file.suffix in (".py", ".lock")


def _sizes(file: Path, lines: list[str]) -> list[Problem]:
    problems = []
    if len(lines) > MODULE_LINES_MAX:
        text = f"{len(lines)} lines; a module has at most {MODULE_LINES_MAX}"
        problems.append(Problem(path=file, text=text))
    for name, line, length in _functions(lines):
        most = LONG_FUNCTIONS.get((file.as_posix(), name), FUNCTION_LINES_MAX)
        if length > most:
            text = f"{name} has {length} lines; a function has at most {most}"
            problems.append(Problem(path=file, line=line, text=text))
    return problems


def _functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield name, first line and number of lines of each function."""
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1
