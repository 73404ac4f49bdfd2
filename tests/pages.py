"""Runs what a page of the documents shows: its files are written, its commands run, in order.

A listing with a caption is the file of that name. A console listing is run, and what it prints
compared. `bulkhead new`, `new-service` and `check` are run in this process, which spares a second
for each; other programs in a shell.
"""

import ast
import os
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner
from readme import Shell, differences, sessions

from bulkhead_host.cli import group
from bulkhead_host.paths import source_root

_LISTING = re.compile(
    r"^```(?:\{code-block\} )?(?P<kind>[\w-]+)\n(?::caption: (?P<file>\S+)\n)?(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_IN_PROCESS = ("new", "new-service", "check")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A listing of a page: its language, the file that it is, if any, and its text."""

    kind: str
    file: str
    text: str


def listings(page: str) -> Iterator[Listing]:
    """Yield the listings of a page, in order."""
    for found in _LISTING.finditer(page):
        yield Listing(kind=found["kind"], file=found["file"] or "", text=found["text"])


def run_page(page: str, folder: Path, *, has_board: bool = True) -> list[str]:
    """Do what a page shows, in a folder; return what was not as shown.

    Without a board only the options of what would need one are tried.
    """
    shell = Shell(folder)
    wrong: list[str] = []
    try:
        for listing in listings(page):
            if listing.file:
                path = shell.folder / listing.file
                path.parent.mkdir(exist_ok=True)
                path.write_text(listing.text, encoding="utf-8")
            if listing.kind == "console":
                wrong += _differences(listing, shell, has_board=has_board)
            else:
                wrong += faults(listing)
    finally:
        shell.close()
    return wrong


def faults(listing: Listing) -> list[str]:
    """Return what is wrong with a listing that is not run: it has to parse, at least."""
    try:
        if listing.kind == "python":
            text = textwrap.dedent(listing.text)
            ast.parse(f"async def page():\n{textwrap.indent(text, '    ')}")
        elif listing.kind == "toml":
            tomllib.loads(listing.text)
        elif listing.kind == "sh":
            for line in listing.text.splitlines():
                parse(line)
        elif listing.kind not in ("text", "eval-rst", "toctree"):
            return [f"nobody knows how to try a listing of {listing.kind}"]
    except (SyntaxError, tomllib.TOMLDecodeError, click.ClickException) as error:
        return [f"{error}: {listing.text}"]
    return []


def parse(line: str) -> None:
    """Raise `click.ClickException` where a command line has an option that there is none of.

    What a command's files and boards have to be is not asked.
    """
    program, name, *words = shlex.split(line)
    if program == "pytest":
        return
    if program == "make":
        makefile = (source_root() / "Makefile").read_text(encoding="utf-8")
        if f"\n{name}:" not in makefile:
            raise click.UsageError(f"there is no make {name}")
        return
    if program != "bulkhead":
        raise click.UsageError(f"{program} is not ours to parse")
    command = group.get_command(click.Context(group), name)
    if command is None:
        raise click.UsageError(f"there is no command {name}")
    context = click.Context(command, info_name=name)
    command.make_parser(context).parse_args(args=words)


def _differences(listing: Listing, shell: Shell, *, has_board: bool) -> list[str]:
    wrong = []
    for command, shown in sessions(listing.text.splitlines()):
        seen = _in_process(command, shell)
        if seen is None and not has_board and command.startswith(("bulkhead ", "pytest")):
            line = command.removesuffix("&").removesuffix("2>&1").strip()
            wrong += faults(Listing(kind="sh", file="", text=line))
            continue
        if seen is None:
            seen = shell.run(command)
        if differences(shown, seen):
            wrong.append("\n".join([f"$ {command}", *seen, "is shown as", *shown]))
    return wrong


def _in_process(command: str, shell: Shell) -> list[str] | None:
    """Return what commands print that this process can run, None for others."""
    steps = [shlex.split(step) for step in command.split(" && ")]
    if not all(step[:2] in [["bulkhead", name] for name in _IN_PROCESS] or step[0] in ("cd", "rm")
               for step in steps):  # fmt: skip
        return None
    seen: list[str] = []
    before = Path.cwd()
    try:
        os.chdir(shell.folder)
        for program, *words in steps:
            if program == "cd":
                os.chdir(words[0])
            elif program == "rm":
                Path(words[0]).unlink()
            else:
                result = CliRunner().invoke(group, words)
                seen += result.output.splitlines()
        shell.folder = Path.cwd()
    finally:
        os.chdir(before)
    return [line.rstrip() for line in seen]
