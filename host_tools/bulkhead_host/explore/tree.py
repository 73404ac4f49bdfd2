"""The kernel's own modules, imported afresh for one world and kept apart from all others.

A world changes constants and puts a few functions of its own in place of the kernel's. So each has
modules of its own: what else runs in this process, the simulator's tests above all, sees nothing.
"""

import builtins
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = ("kernel", "port", "plan", "bulkhead", "micropython")
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
        path, sys.path = sys.path, [*self.path, *sys.path]
        try:
            for name in _FIRST:
                importlib.import_module(name)
            _set(constants, _FIRST)
            for file in sorted((firmware / "kernel").glob("*.py")):
                importlib.import_module(f"kernel.{file.stem}")
            _set(constants, [name for name in sys.modules if name not in _FIRST])
            importlib.import_module("port.soft")
            importlib.import_module("plan.words")
        finally:
            sys.path = path
            self.modules = _take_out()
            sys.modules.update(hidden)
            for name, cast in casts.items():
                setattr(builtins, name, cast)

    def __getitem__(self, name: str) -> Any:
        return self.modules[name]

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Let what the kernel imports meanwhile, where it is first used, be of this tree."""
        hidden = _take_out()
        path, sys.path = sys.path, [*self.path, *sys.path]
        sys.modules.update(self.modules)
        try:
            yield
        finally:
            sys.path = path
            self.modules = _take_out()
            sys.modules.update(hidden)

    def set_casts(self, pointer: Callable[[Any], Any], address: Callable[[Any], int]) -> None:
        """Let viper's casts be these functions, in these modules alone."""
        for name, module in self.modules.items():
            if name.startswith(("kernel.", "port.")):
                vars(module).update(ptr8=pointer, ptr16=pointer, ptr32=pointer, uint=address)


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
    names = [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]
    return {name: sys.modules.pop(name) for name in names}
