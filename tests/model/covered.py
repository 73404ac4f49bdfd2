"""Print which statements and branches of the firmware the worlds and `tests/sim` run.

    python -m model.covered [--seconds S]

A copy of the firmware notes each statement as it is reached, and each way out of an `if` or a
loop that has no statement of its own. The simulator takes CPython's tracing for itself, so no
tool that traces sees what it runs. What nothing reaches is printed, but for what `left.toml` has a
reason for. Exit code 1 where there is any, or where a reason stands for what is reached.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from bulkhead_host.paths import source_root

FILES = ("kernel/*.py", "port/sim.py", "port/soft.py", "port/crash_memory.py", "bulkhead/*.py")
LEFT = Path(__file__).with_name("left.toml")
# Loaded by each copied module: a byte for each place, in a file that all processes share.
_NOTES = """\
import mmap
import pathlib


def notes(name, count):
    path = pathlib.Path({folder!r}, name.replace("/", "-"))
    if not path.exists():
        path.write_bytes(bytes(count))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), count)
"""


@dataclass
class Places(ast.NodeTransformer):
    """Statements of a file, and ways out of its branches: the texts that name them, in order."""

    name: str
    texts: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)

    def note(self, kind: str, node: ast.stmt) -> ast.stmt:
        """Return the statement that notes a place."""
        text = ast.unparse(node).splitlines()[0]
        self.texts.append(f"{'.'.join(self.scopes)}: {kind}{text}")
        self.lines.append(node.lineno)
        return ast.parse(f"_seen[{len(self.texts) - 1}] = 1").body[0]

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return statements, each with its note before it."""
        made: list[ast.stmt] = []
        for index, node in enumerate(body):
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, (ast.Global, ast.Nonlocal)) or (is_text and not index):
                made.append(node)
                continue
            made += [self.note("", node), self.visit(node)]
        return made

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Note what is in each block of a statement, and the ways out that have none."""
        is_scope = isinstance(node, (ast.FunctionDef, ast.ClassDef))
        if is_scope:
            self.scopes.append(node.name)  # type: ignore[attr-defined]
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                setattr(node, name, self.block(body))
        for handler in getattr(node, "handlers", ()):
            handler.body = self.block(handler.body)
        is_endless = isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
        if isinstance(node, (ast.If, ast.For, ast.While)) and not node.orelse and not is_endless:
            node.orelse = [self.note("not " if isinstance(node, ast.If) else "end of ", node)]
        if is_scope:
            self.scopes.pop()
        return node


def noting(name: str, source: str) -> tuple[str, Places]:
    """Return a module that notes what of it is reached, and the places that it notes."""
    tree = ast.parse(source)
    places = Places(name)
    places.generic_visit(tree)
    head = f"_seen = __import__('notes_of_places').notes({name!r}, {max(len(places.texts), 1)})"
    at = 1 if ast.get_docstring(tree) else 0
    tree.body[at:at] = ast.parse(head).body
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n", places


def copy(root: Path) -> list[Places]:
    """Make a copy of what the tests take, which notes what is reached; return the places."""
    here = source_root()
    shutil.copytree(here / "firmware", root / "firmware")
    shutil.copytree(here / "tests", root / "tests", ignore=shutil.ignore_patterns("host"))
    for name in ("services", "host_tools", "board_configs"):
        (root / name).symlink_to(here / name)
    shutil.copy(here / "pyproject.toml", root)
    (root / "notes").mkdir()
    (root / "notes_of_places.py").write_text(_NOTES.format(folder=str(root / "notes")))
    found = []
    for path in sorted(path for each in FILES for path in (root / "firmware").glob(each)):
        text, places = noting(str(path.relative_to(root / "firmware")), path.read_text())
        path.write_text(text)
        found.append(places)
    return found


def run(root: Path, seconds: float) -> None:
    """Explore the worlds, and run `tests/sim`, on the copy."""
    paths = (root, root / "tests", source_root() / "host_tools")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    worlds = ("model.explore", "--root", str(root), "--seconds", str(seconds))
    tests = ("pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/sim")
    for command in (worlds, tests):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            **{"cwd": root, "env": environment, "capture_output": True, "text": True},  # type: ignore[call-overload]
            check=False,
        )
        print(*done.stdout.splitlines()[-6:], done.stderr[-500:], sep="\n", flush=True)


def missed(root: Path, places: Places) -> Iterator[int]:
    """Return the numbers of the places of a file that nothing has reached."""
    path = root / "notes" / places.name.replace("/", "-")
    notes = path.read_bytes() if path.exists() else bytes(len(places.texts))
    return (number for number, _ in enumerate(places.texts) if not notes[number])


@dataclass(frozen=True)
class Figures:
    """Of a file, or of all: places; those that nothing reaches; reasons; and those of no use."""

    places: int = 0
    missed: int = 0
    left: int = 0
    idle: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Return both together."""
        return Figures(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        """Return them as a text."""
        reached = self.places - self.missed - self.left
        percent = 100 * reached / max(self.places, 1)
        return (
            f"{reached:5} of {self.places:5} reached, {percent:5.1f} %;"
            f" {self.left:3} left out with a reason, {self.missed:3} missed"
        )


def tell(root: Path, places: Places, reasons: list[dict[str, Any]]) -> Figures:
    """Print the figures of a file, what is missed, and reasons for what is reached."""
    left = tuple(part for reason in reasons for part in reason["places"])
    gone = list(missed(root, places))
    wants = [number for number in gone if not places.texts[number].startswith(left)]
    idle = [part for part in left if not any(places.texts[n].startswith(part) for n in gone)]
    figures = Figures(len(places.texts), len(wants), len(gone) - len(wants), len(idle))
    print(f"{places.name:24} {figures}")
    for number in wants:
        print(f"    line {places.lines[number]}: {places.texts[number]}")
    for part in idle:
        print(f"    reached, in spite of its reason: {part}")
    return figures


def main() -> int:
    """Print the figures of each file, and what is missed without a reason."""
    parser = argparse.ArgumentParser(description="Coverage of the firmware.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of processor time, a world")
    args = parser.parse_args()
    reasons = tomllib.loads(LEFT.read_text())
    total = Figures()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = copy(root)
        run(root, args.seconds)
        for places in files:
            total += tell(root, places, reasons.get(places.name, []))
    print(f"{'all':24} {total}")
    return 1 if total.missed or total.idle else 0


if __name__ == "__main__":
    sys.exit(main())
