"""A pytest plugin: tests of what runs on a Bulkhead board, emulated or real.

The fixtures are in `plugin`; these are their types, for annotations.
"""

from pytest_bulkhead.board import Board
from pytest_bulkhead.kernel import Clock, Kernel

__all__ = ["Board", "Clock", "Kernel"]
