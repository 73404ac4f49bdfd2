"""The kernel's own modules, imported afresh for one world and kept apart from all others.

A world changes constants and puts a few functions of its own in place of the kernel's. So each has
modules of its own: what else runs in this process, the simulator's tests above all, sees nothing.

The turns of the kernel's loops are counted: a kernel that does not return within TURNS_MAX of them
is said to hang. Time would not do: another program that takes the processor could falsify it.
"""

import ast
import builtins
import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from bulkhead_host.explore.stand_ins import Violation

TURNS_MAX = 5_000
"""Of all loops of the kernel in one step; no step of a world takes 50."""

_PACKAGES = ("kernel", "port", "plan", "guard", "bulkhead", "micropython")
_CASTS = ("ptr8", "ptr16", "ptr32", "uint")
# What others take their numbers from is changed before they do.
_FIRST = ("kernel.abi", "kernel.layout", "kernel.limits")


class Tree:
    """Modules of one checkout by name: `tree["kernel.ipc"]`."""

    def __init__(self, root: Path, constants: Mapping[str, int]) -> None:
        firmware = root / "firmware"
        self.path = [str(firmware / "port" / "cpython"), str(firmware)]
        self.modules: dict[str, ModuleType] = {}
        hidden = _take_out()
        casts = {name: getattr(builtins, name) for name in _CASTS if hasattr(builtins, name)}
        self.turns = Turns()
        try:
            with self._importing():
                for name in _FIRST:
                    importlib.import_module(name)
                _set(constants, _FIRST)
                for file in sorted((firmware / "kernel").glob("*.py")):
                    importlib.import_module(f"kernel.{file.stem}")
                _set(constants, [name for name in sys.modules if name not in _FIRST])
                importlib.import_module("port.soft")
                importlib.import_module("plan.words")
                importlib.import_module("guard.audit")
        finally:
            self.modules = _take_out()
            sys.modules.update(hidden)
            for name, cast in casts.items():
                setattr(builtins, name, cast)

    def __getitem__(self, name: str) -> Any:
        return self.modules[name]

    @contextlib.contextmanager
    def visible(self) -> Iterator[None]:
        """Let what the kernel imports meanwhile, where it is first used, be of this tree."""
        hidden = _take_out()
        sys.modules.update(self.modules)
        try:
            with self._importing():
                yield
        finally:
            self.modules = _take_out()
            sys.modules.update(hidden)

    @contextlib.contextmanager
    def _importing(self) -> Iterator[None]:
        """Have imports find this checkout first, and count the turns of the kernel's loops."""
        path, sys.path = sys.path, [*self.path, *sys.path]
        sys.meta_path.insert(0, self.turns)
        try:
            yield
        finally:
            sys.path = path
            sys.meta_path.remove(self.turns)

    def set_casts(self, pointer: Callable[[Any], Any], address: Callable[[Any], int]) -> None:
        """Let viper's casts be these functions, in these modules alone."""
        for name, module in self.modules.items():
            if name.startswith(("kernel.", "port.")):
                vars(module).update(ptr8=pointer, ptr16=pointer, ptr32=pointer, uint=address)


class Turns:
    """A count of the turns of loops, and the finder of the modules whose loops are counted."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        """Count from nothing: a step begins."""
        self.count = 0

    def turn(self) -> None:
        """Count a turn. Raises `Violation` at one too many, and at each after it."""
        self.count += 1
        if self.count > TURNS_MAX:
            raise Violation("the kernel does not return")

    def find_spec(
        self, name: str, path: Any = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Be the finder of the kernel's modules."""
        spec = PathFinder.find_spec(name, path) if name.startswith("kernel.") else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Counted(name, spec.origin, self.turn)
        return spec


class _Counted(SourceFileLoader):
    """Loads a module with a call of `turn` at each turn of a loop."""

    def __init__(self, name: str, path: str, turn: Callable[[], None]) -> None:
        super().__init__(name, path)
        self.turn = turn

    def get_code(self, _name: str) -> CodeType:
        """Return code made here: none is taken from a file or kept in one that others read."""
        return _counted(Path(self.path).read_text(encoding="utf-8"), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        vars(module)[_TURN] = self.turn
        super().exec_module(module)


_TURN = "__turn__"
_PARSES_MAX = 100


def parsed(source: str, path: str) -> ast.Module:
    """Return the tree of a module's source, whatever other threads of the process do.

    An engine that spreads worlds has a thread beside the worker's, and where it prints a traceback
    CPython parses too. 3.11 keeps one depth for all threads and says SystemError where that is not
    the parser's own (python/cpython, issue 106905): then nothing is wrong with the source.
    """
    for _ in range(_PARSES_MAX):
        with contextlib.suppress(SystemError):
            return ast.parse(source, path)
    return ast.parse(source, path)


@functools.lru_cache(maxsize=200)
def _counted(source: str, path: str) -> CodeType:
    """Return a module's code with a call at the beginning of the body of each `while`."""
    tree = parsed(source, path)
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            call = parsed(f"{_TURN}()", path).body[0]
            for part in ast.walk(call):
                ast.copy_location(part, node)
            node.body.insert(0, call)
    return compile(tree, path, "exec")


def _set(constants: Mapping[str, int], modules: Iterable[str]) -> None:
    """Give those constants that these modules have other values."""
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        if f"kernel.{module}" in modules:
            if not hasattr(sys.modules[f"kernel.{module}"], constant):
                raise ValueError(f"kernel/{module}.py has no constant {constant}")
            setattr(sys.modules[f"kernel.{module}"], constant, value)


def _take_out() -> dict[str, ModuleType]:
    """Take the kernel's packages out of what is imported, and return them."""
    # Hundreds of modules are looked at for each injection of a world: first by what is quick.
    likely = [name for name in sys.modules if name.startswith(_PACKAGES)]
    names = [name for name in likely if name.partition(".")[0] in _PACKAGES]
    return {name: sys.modules.pop(name) for name in names}
