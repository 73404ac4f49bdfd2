"""The table of attacks in `firmware/README.md`, and the attacks that there are."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.paths import source_root

_CORPUS = Path(__file__).parent / "attacks" / "corpus.py"
_ROW = re.compile(r"\| `(\w+)` \| ([^|]+) \| (stopped|reached) \| (\w+) \| (unharmed|harmed) \|")
_TOOLS = ("reached", "after")


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
    return {
        node.name: (ast.get_docstring(node) or "").rstrip(".")
        for node in ast.parse(_CORPUS.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and node.name not in _TOOLS
    }
