"""A service that calls one of another board by a real broker: answers, deadlines, deaths."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from evil_broker import answers, wait_for_agent, wait_until
from unix_agent import KEY, TIMEOUT_S, Mosquitto, UnixBoard
from unix_fleet import UnixFleet

from bulkhead_host import abi
from bulkhead_host.link.client import Client
from bulkhead_host.link.network import BrokerLine, open_network, parse_place

APPLICATION = Path(__file__).parents[1] / "cases" / "far_app"
READ, COUNT = 1, 2  # of the garden's soil
ASK, ASK_NOBODY = 1, 2  # of the kitchen's cook
GONE, UNANSWERED = 190, 189


class Desk:
    """The kitchen, whose cook calls the garden's soil, and the broker between."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.broker = Mosquitto()
        self.fleet = UnixFleet(micropython, folder, ["garden"], port=self.broker.port)
        self.garden = self.fleet.boards["garden"]
        self.kitchen = UnixBoard(
            micropython, folder, application=APPLICATION, name="kitchen", port=self.broker.port
        )
        wait_for_agent(self.kitchen)
        self.client = Client(self.kitchen.line, key=KEY, timeout_s=TIMEOUT_S)
        self.wait_for_garden()

    def ask(
        self, operation: int, argument: object = None, *, within_ms: int = 10_000, whom: int = ASK
    ) -> tuple[int, object]:
        """Have the cook call; return the status it got, and the answer."""
        asked = (operation, argument, within_ms)
        status, answer = self.client.call("cook", whom, asked, timeout_ms=20_000)
        assert status == abi.OK
        assert isinstance(answer, tuple)
        return answer[0], answer[1]

    def wait_for_garden(self) -> None:
        """Return when the garden can be called."""
        wait_until(lambda: self.ask(READ)[0] == abi.OK)

    def close(self) -> None:
        self.kitchen.kill()
        self.fleet.close()
        self.broker.kill()


@pytest.fixture(scope="module")
def desk(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(micropython, tmp_path_factory.mktemp("far"))
    yield desk
    desk.close()


def test_a_service_of_another_board_is_called_as_one_of_this(desk: Desk) -> None:
    assert desk.ask(READ) == (abi.OK, 41)
    first, second = desk.ask(COUNT)[1], desk.ask(COUNT)[1]
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert second > first
    assert desk.ask(77)[0] == abi.REFUSED  # what soil says of an operation it has not


def test_a_service_that_is_not_there_was_not_called(desk: Desk) -> None:
    assert desk.ask(READ, whom=ASK_NOBODY) == (GONE, None)
    assert desk.ask(READ) == (abi.OK, 41)


def test_who_has_no_capability_for_it_calls_nobody(desk: Desk) -> None:
    assert desk.client.call("far", READ)[0] == abi.REFUSED  # the console's names no board


def test_a_deadline_is_the_callers_own(desk: Desk) -> None:
    assert desk.ask(READ, within_ms=0)[0] == abi.TIMEOUT
    assert desk.ask(READ) == (abi.OK, 41)


def test_a_board_that_is_away_is_gone_and_is_called_again_when_it_is_back(desk: Desk) -> None:
    desk.garden.kill()
    assert desk.ask(READ)[0] in (GONE, UNANSWERED)
    desk.garden.start()
    desk.wait_for_garden()


def test_far_agent_and_net_may_fail_between_two_calls(desk: Desk) -> None:
    for name in ("far", "agent", "net"):
        desk.client.inject(name, "crash")
        desk.wait_for_garden()


def test_the_broker_may_be_killed_between_two_calls(desk: Desk) -> None:
    desk.broker.kill()
    assert desk.ask(READ)[0] in (GONE, UNANSWERED)
    desk.broker.restart()
    desk.wait_for_garden()


def test_a_board_with_another_name_that_answers_in_its_place_is_not_called(
    desk: Desk, micropython: Path, tmp_path: Path
) -> None:
    desk.garden.kill()
    broker = BrokerLine(
        parse_place(f"mqtt://127.0.0.1:{desk.broker.port}", needs_board=False),
        ["bulkhead/garden/to", "bulkhead/shed/from"],
        lambda topic, frame: broker.publish(_REROUTED[topic], frame),
    )
    other = UnixFleet(micropython, tmp_path, ["shed"], port=desk.broker.port)
    shed = Client(
        open_network(f"mqtt://127.0.0.1:{desk.broker.port}/shed"), key=KEY, timeout_s=TIMEOUT_S
    )
    wait_until(lambda: answers(shed))
    assert desk.ask(READ) == (GONE, None)  # and not what the shed's soil says
    assert shed.call("soil", READ)[1] == 41
    shed.transport.close()
    broker.close()
    other.close()
    desk.garden.start()
    desk.wait_for_garden()


_REROUTED = {
    "bulkhead/garden/to": "bulkhead/shed/to",
    "bulkhead/shed/from": "bulkhead/garden/from",
}
