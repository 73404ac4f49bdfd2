"""The attacks that there are, from their files, and where boards make them."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bulkhead_host.qualify.attacks import batches, listed

_FILES = (
    "corpus",
    "capabilities",
    "modules",
    "builtins_",
    "shared",
    "memory",
    "code",
    "callbacks",
    "endless",
)
CONTROLS = {chr(code) for code in (*range(32), *range(0x7F, 0xA0)) if code not in (9, 10, 13)}
"""What no service prints: control characters, C0 and C1, but those that separate."""
_HELPERS = {"has_modules", "deeper"}


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


@cache
def only_on_an_image() -> tuple[str, ...]:
    """Return the attacks that MicroPython's own images do not stop."""
    folder = Path(__file__).parent / "attacks"
    names: tuple[str, ...] = ()
    for file in _FILES:
        for node in ast.parse((folder / f"{file}.py").read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ON_AN_IMAGE":
                names += ast.literal_eval(node.value)
    return names


class Arena:
    """A board that runs the attacks of a batch when one of them is asked for.

    `run` has it run a program and begin anew after that, and returns what was printed.
    """

    def __init__(self, run: Callable[[str, int], str]) -> None:
        self._run = run
        self._said: dict[str, str] = {}

    def said(self, name: str) -> str:
        """Return what the board says that runs the batch of an attack."""
        if name not in self._said:
            every = [attack.name for attack in listed()]
            names = next(batch for batch in batches(every) if name in batch)
            source = f"from attacks.stage import run_all\nrun_all({names!r})"
            self._said |= dict.fromkeys(names, self._run(source, len(names)))
        return self._said[name]
