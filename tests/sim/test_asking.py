"""`bulkhead.asking`: a call to a service that was started again reaches the new one."""

from collections.abc import Generator
from typing import Any

import pytest
from supervised import House

from bulkhead.asking import ask
from kernel.abi import DEAD, OK


@pytest.mark.parametrize(("fails", "expected"), [(0, [OK, OK]), (1, [OK, OK]), (9, [DEAD, DEAD])])
def test_a_server_that_is_back_is_asked_once_more(
    monkeypatch: pytest.MonkeyPatch, fails: int, expected: list[int]
) -> None:
    house = House(monkeypatch)
    failures: list[int] = []
    seen: list[int] = []

    def server(task: Any) -> Generator[int, int, None]:
        while True:
            yield task.recv()
            if len(failures) < fails:
                failures.append(1)
                raise ValueError
            yield task.reply(OK)

    def client(task: Any) -> Generator[int, int, None]:
        for _ in range(2):
            seen.append((yield from ask(task, task.cap("server"), 1)))
            yield task.sleep(1)
        while True:
            yield task.recv()

    house.add("server", server, priority=2)
    house.add("client", client, priority=4, uses="server:call")
    house.run(100)
    assert seen == expected
