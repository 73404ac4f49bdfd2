"""Code that is replaced over a broker: no call is lost, and cuts leave the old code or the new."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from evil_broker import wait_until
from unix_agent import KEY, Mosquitto
from unix_fleet import UnixFleet

from bulkhead_host.errors import BulkheadError
from bulkhead_host.fleet.hub import Hub
from bulkhead_host.fleet.presence import SAID
from bulkhead_host.image.changes import Targets, prepare
from bulkhead_host.link.client import Client
from bulkhead_host.link.updater import begin_update, send_update, state

MOMENTS = int(os.environ.get("BULKHEAD_CUTS", "2"))
BOARD = "garden"
PROBATION_MS = 100
TIMEOUT_S = 30.0
SHORT_S = 0.5  # for who has no power, or no broker, to give no answer


class Board:
    """One board, its broker, and code for it that says another number each time."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.broker = Mosquitto()
        self.fleet = UnixFleet(micropython, folder, [BOARD], port=self.broker.port)
        self.wet = 41
        self.version = 1
        self.boot = ""
        self.wait_for_it()

    def hub(self) -> Hub:
        """Return a connection to the broker."""
        return Hub(f"mqtt://127.0.0.1:{self.broker.port}", key=KEY, timeout_s=TIMEOUT_S)

    def wait_for_it(self) -> None:
        """Return when the broker has it from the board that it is there."""
        hub = self.hub()
        wait_until(lambda: hub.presences([BOARD])[0].state == SAID)
        self.boot = hub.presences([BOARD])[0].boot
        hub.close()

    def boot_anew(self) -> None:
        """Begin what had its power cut, and return when it has said so."""
        self.fleet.boards[BOARD].start()
        hub = self.hub()
        wait_until(lambda: hub.presences([BOARD])[0].boot not in ("", self.boot))
        hub.close()
        self.wait_for_it()

    def change(self) -> None:
        """Write the next version."""
        self.version += 1
        self.fleet.change(f"WET = {self.wet}", f"WET = {self.wet + 1}", version=self.version)
        self.wet += 1

    def call(self, client: Client, service: str) -> object:
        """Return what a service says."""
        return client.call(service, 1)[1]

    def close(self) -> None:
        self.fleet.close()
        self.broker.kill()


@pytest.fixture(scope="module")
def board(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    board = Board(micropython, tmp_path_factory.mktemp("update"))
    yield board
    board.close()


def test_no_call_is_lost_while_the_called_is_replaced_over_the_broker(board: Board) -> None:
    board.change()
    hub = board.hub()
    with hub.client(BOARD) as client:
        before = board.call(client, "caller")
        bundles = prepare(
            client, Targets(application=board.fleet.application, names=("soil",)), key=KEY
        )
        send_update(client, bundles, probation_ms=PROBATION_MS)
        after = board.call(client, "caller")
        assert board.call(client, "soil") == board.wet
    hub.close()
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert after[0] > before[0] + 5
    assert (before[1], after[1]) == (0, 0)


def _power(board: Board, _hub: Hub) -> None:
    board.fleet.boards[BOARD].kill()


def _broker(board: Board, _hub: Hub) -> None:
    board.broker.kill()


def _network(_board: Board, hub: Hub) -> None:
    hub.close()


@pytest.mark.parametrize("cut", [_power, _broker, _network])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_cut_at_any_moment_leaves_the_old_code_or_the_new(
    board: Board, cut: Callable[[Board, Hub], None], moment: int
) -> None:
    old = board.wet
    board.change()
    hub = board.hub()
    share = random.Random(moment).random()
    with hub.client(BOARD) as client:
        bundles = prepare(
            client, Targets(application=board.fleet.application, names=("soil",)), key=KEY
        )

        def cut_within(taken: int, whole: int) -> None:
            if taken >= 2 * share * whole:
                cut(board, hub)

        with suppress(BulkheadError), client.waiting(SHORT_S):
            trial = begin_update(client, bundles, probation_ms=PROBATION_MS, progress=cut_within)
            until_ms = client.hello().uptime_ms + share * PROBATION_MS
            while client.hello().uptime_ms < until_ms:
                pass
            cut(board, hub)
            while not trial.has_ended():
                client.listen(0.02)
    cut(board, hub)  # so it is too where the board was too slow for this host
    hub.close()
    if cut is _power:
        board.boot_anew()
    elif cut is _broker:
        board.broker.restart()
        board.wait_for_it()
    again = board.hub()
    with again.client(BOARD) as client:
        wait_until(lambda: board.call(client, "soil") in (old, board.wet))
        found = board.call(client, "soil")
        assert found in (old, board.wet)
        bundles = prepare(
            client, Targets(application=board.fleet.application, names=("soil",)), key=KEY
        )
        wait_until(lambda: has_settled(client))
        send_update(client, bundles, probation_ms=PROBATION_MS)  # it takes the new one still
        assert board.call(client, "soil") == board.wet
        assert isinstance(counts := board.call(client, "caller"), tuple)
        assert counts[1] == 0
    again.close()


def has_settled(client: Client) -> bool:
    """Tell whether no update is on trial."""
    return state(client)[0] not in ("starting", "probation")
