"""The console service on the emulated Pico, beside what `test_link_on_board` shows of it."""

import pytest

from bulkhead_host import abi
from bulkhead_host.link.client import Client
from pytest_bulkhead import Board

_WAIT = 3  # services/button/api.py


@pytest.fixture
def client(board: Board) -> Client:
    return board.kernel.client


def test_a_call_that_waits_longer_than_the_heartbeat_of_the_console_ends_as_any_other(
    client: Client,
) -> None:
    before = client.table().named("console")
    assert client.call("button", _WAIT, timeout_ms=8000) == (abi.TIMEOUT, None)
    after = client.table().named("console")
    assert before is not None
    assert after is not None
    assert (after.generation, after.fault) == (before.generation, before.fault)


def test_the_port_sets_its_callbacks_whatever_they_interrupt(board: Board, client: Client) -> None:
    # The tick starts at the first branch of what an interrupt wakes: in the midst of a step.
    for _ in range(10):
        client.call("led", 2, 1)
        client.listen(0.05)
    assert not [line for line in board.log if "RuntimeError" in line]
