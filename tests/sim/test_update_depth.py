"""How deep the stack is where an update calls a service's code: 8 KB hold some twenty calls."""

import sys
from collections.abc import Generator
from typing import Any

from cases.ports import CasePort
from cases.rig import Rig
from cases.updates import put, with_updater

Main = Generator[int, int, None]


def calls_above_dispatch() -> int:
    """Return how many Python functions the caller is above the dispatcher that resumed it."""
    frame: Any = sys._getframe(1)
    count = 0
    while frame.f_code.co_name != "dispatch":
        frame = frame.f_back
        count += 1
    return count


def test_an_update_calls_a_services_code_one_function_deeper_than_its_steps_are() -> None:
    rig = Rig(CasePort())
    depths = {}

    class Keeper:
        def export_state(self) -> bytes:
            depths["export"] = calls_above_dispatch()
            return b""

        def import_state(self, _version: int, _state: bytes) -> None:
            pass

    def old(task: Any) -> Main:
        task.carry_over(Keeper())
        try:
            while True:
                yield task.recv()
                depths["step"] = calls_above_dispatch()
        finally:
            depths["close"] = calls_above_dispatch()

    def fresh(task: Any) -> Main:
        yield task.recv()

    def client(task: Any) -> Main:
        yield task.send(task.cap("server"), 1)

    def script(task: Any, kernel: int) -> Main:
        yield from put(rig, task, kernel, fresh)

    with_updater(rig, old, script, client, mailbox=(1, 0))
    step = depths["step"]
    assert depths == {"step": step, "export": step + 1, "close": step + 1}
