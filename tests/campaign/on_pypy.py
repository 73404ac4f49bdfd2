"""One piece of a campaign on PyPy, which makes ten times as many faults in a second as CPython.

Debian's is a Python 3.9: it is told not to look at annotations, and that the kernel's simulator is
meant for it too.
"""

import __future__

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any


class Unannotated(SourceFileLoader):
    """Loads a module whose annotations stay text."""

    def get_code(self, _name: str) -> CodeType:
        """Return code made here: none is taken from a file or kept in one that others read."""
        source = Path(self.path).read_text(encoding="utf-8")
        flags = __future__.annotations.compiler_flag
        code: CodeType = compile(source, self.path, "exec", flags=flags, dont_inherit=True)
        return code

    @classmethod
    def find_spec(cls, name: str, path: Any = None, _target: Any = None) -> "ModuleSpec | None":
        """Be the finder of this checkout's modules."""
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None or not spec.origin.startswith(_ROOT):
            return None
        spec.loader = cls(name, spec.origin)
        return spec


_ROOT = str(Path(__file__).resolve().parents[2])


def main() -> None:
    """Do what the command line says."""
    sys.implementation.name = "cpython"  # the simulator's times, not a board's
    sys.meta_path.insert(0, Unannotated)
    from campaign.piece import main as piece  # noqa: PLC0415  (found by the finder)

    piece()


if __name__ == "__main__":
    main()
