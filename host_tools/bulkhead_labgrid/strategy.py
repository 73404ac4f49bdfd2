"""How a board comes into a state that a test asks for."""

import enum
from typing import ClassVar

import attr
from labgrid.factory import target_factory
from labgrid.step import step
from labgrid.strategy import Strategy, StrategyError, never_retry


class Status(enum.Enum):
    """The states: `flashed` is with the environment's image, `running` answers."""

    unknown = 0
    off = 1
    flashed = 2
    running = 3


@target_factory.reg_driver
@attr.s(eq=False)
class BulkheadStrategy(Strategy):
    """Brings a board to `off`, `flashed` or `running`; a power driver is switched, if bound."""

    bindings: ClassVar = {"board": "BulkheadDriver", "power": {"PowerProtocol", None}}

    status = attr.ib(default=Status.unknown)

    @never_retry
    @step(args=["status"])
    def transition(self, status: Status | str, *, step: object) -> None:
        """Bring the board to a status, by its name or as a `Status`."""
        wanted = status if isinstance(status, Status) else Status[status]
        if wanted is Status.unknown:
            raise StrategyError(f"can not transition to {wanted}")
        if wanted is self.status:
            step.skip("nothing to do")  # type: ignore[attr-defined]
            return
        self.target.deactivate(self.board)
        if wanted is Status.off:
            if self.power is None:
                raise StrategyError("nobody switches this board: bind a power driver")
            self.target.activate(self.power)
            self.power.off()
        else:
            if self.power is not None:
                self.target.activate(self.power)
                self.power.on()
            if wanted is Status.flashed:
                self.board.load()
            else:
                self.target.activate(self.board)
                self.board.await_answer()
        self.status = wanted
