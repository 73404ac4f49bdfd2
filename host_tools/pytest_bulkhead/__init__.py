"""A pytest plugin: tests of what runs on a Bulkhead board, emulated or real.

The fixtures are in `plugin`; these are their types, for annotations. They are loaded when first
used: pytest loads this package in every project of the same environment.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_bulkhead.board import Board
    from pytest_bulkhead.kernel import Clock, Kernel

__all__ = ["Board", "Clock", "Kernel"]

_HOMES = {"Board": "board", "Clock": "kernel", "Kernel": "kernel"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
