"""The kernel's words in the simulator, which tell of each store before it is made."""

from array import array
from collections.abc import Callable
from typing import Any


class Words(array):  # type: ignore[type-arg]
    """An array with a function to call before each store that the function does not make itself.

    So what the function has happen there, an interrupt or a strike, comes between two stores of
    the kernel. `monkeypatch.setattr(state, "array", Words)` gives it to the kernels made after.
    """

    before: Callable[[], None] | None = None

    def __setitem__(self, index: Any, value: Any) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()
            self.before = before
        super().__setitem__(index, value)
