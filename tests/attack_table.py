"""The table of attacks in `firmware/README.md`, and the attacks that there are."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bulkhead_host.paths import source_root

_FILES = (
    "corpus",
    "capabilities",
    "modules",
    "builtins_",
    "shared",
    "memory",
    "code",
    "callbacks",
)
_ROW = re.compile(r"\| `(\w+)` \| ([^|]+) \| (stopped|reached) \| (\w+) \| (unharmed|harmed) \|")
_HELPERS = {"has_modules", "deeper"}


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One row: the attack, what it tries, and what becomes of it, as the stage prints it."""

    name: str
    aim: str
    outcome: str


def listed() -> list[Attack]:
    """Return the rows of the README's table."""
    text = (source_root() / "firmware" / "README.md").read_text()
    return [
        Attack(name=name, aim=aim.strip(), outcome=f"{aimed} {fault} {others}")
        for name, aim, aimed, fault, others in _ROW.findall(text)
    ]


def written() -> dict[str, str]:
    """Return the attacks of the corpus, in order: name to aim."""
    folder = Path(__file__).parent / "attacks"
    return {
        node.name: (ast.get_docstring(node) or "").rstrip(".")
        for file in _FILES
        for node in ast.parse((folder / f"{file}.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and node.name not in _HELPERS
    }


def outcomes(said: str) -> dict[str, str]:
    """Return what became of each attack, from what `stage.run_all` prints, in lines."""
    found = re.findall(r"^attack (\w+): (.*?)\r?$", said, re.M)
    return dict(found)


@cache
def only_on_an_image() -> tuple[str, ...]:
    """Return the attacks that MicroPython's own images do not stop."""
    tree = ast.parse((Path(__file__).parent / "attacks" / "memory.py").read_text())
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ON_AN_IMAGE"
    )
    names: tuple[str, ...] = ast.literal_eval(value)
    return names
