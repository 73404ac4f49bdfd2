"""An async service has every trap that one that yields has."""

from bulkhead.aio import AsyncFrame
from bulkhead.frame import Frame

# What a frame answers at once, without a trap.
_NO_TRAPS = {"accept", "badge", "bits", "caller", "cap", "carry_over", "count", "granted", "name"}
# A hard driver yields.
_NOT_AWAITED = {"attend"}


def test_every_trap_can_be_awaited() -> None:
    frame = AsyncFrame([0] * 32, {})
    methods = {name for name, value in vars(Frame).items() if callable(value)}
    traps = {name for name in methods if name[0] != "_"} - _NO_TRAPS - _NOT_AWAITED
    assert {name for name in traps if name not in vars(AsyncFrame) | vars(frame)} == set()


def test_it_has_no_attributes_of_its_own() -> None:
    assert list(vars(AsyncFrame([0] * 32, {}))) == list(vars(Frame([0] * 32, {})))
