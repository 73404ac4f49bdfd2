"""The supervisor that ships, in the simulator: who is hung, who is starved, who may ask what."""

from collections.abc import Generator
from typing import Any

import pytest
from supervised import (
    CONTROL,
    EVENT,
    EXCUSE,
    INJECT,
    NO_RIGHT,
    ROWS,
    STARVED,
    House,
    Main,
    failing,
)

from bulkhead.link import HOLD, RESET
from cases.rig import idle
from kernel.abi import (
    FAIL,
    HEARTBEAT,
    OK,
)
from kernel.layout import STEPS


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a system to add services to."""
    return House(monkeypatch)


def compute(house: House, us: int = 15_000) -> None:
    """Take most of the budget of a step."""
    end_us = house.port.now() + us
    while house.port.now() < end_us:
        pass


@pytest.mark.parametrize("priority", [3, 4, 5])
def test_who_never_ran_is_not_hung_and_who_had_the_processor_is_named(
    house: House, priority: int
) -> None:
    def hogging(task: Any) -> Generator[int, int, None]:
        while True:
            compute(house)
            yield task.sleep(0)

    def working(task: Any) -> Generator[int, int, None]:
        while True:
            yield task.sleep(10)

    hog = house.add("hog", hogging, priority=2)
    house.add("starved", working, priority=priority, heartbeat_ms=300)
    house.run(2000)
    assert house.times("starved") == []  # it has not even begun
    assert house.rig.fault("starved") == 0
    (event,) = house.events
    assert (event[1], event[2], event[3] >> 7) == ("starved", STARVED, hog)
    assert 95 <= event[3] & 0x7F <= 100
    assert event[4] > 300


def test_who_is_starved_after_it_has_begun_is_told_of_once_for_each_time(house: House) -> None:
    def at_times(task: Any) -> Generator[int, int, None]:
        for _ in range(2):
            yield task.sleep(1000)
            for _ in range(100):
                compute(house)
                yield task.sleep(0)
        yield task.recv()

    def working(task: Any) -> Generator[int, int, None]:
        while True:
            yield task.sleep(10)

    house.add("hog", at_times, priority=2)
    house.add("starved", working, priority=4, heartbeat_ms=300)
    house.run(7000)
    assert house.rig.fault("starved") == 0
    assert [event[1:3] for event in house.events] == [("starved", STARVED)] * 2


def test_who_is_put_aside_in_a_step_by_several_is_not_hung(house: House) -> None:
    def hogging(task: Any) -> Generator[int, int, None]:
        yield task.sleep(100)
        for _ in range(60):
            compute(house)
            yield task.sleep(0)
        yield task.recv()

    def working(task: Any) -> Generator[int, int, None]:
        while True:
            compute(house)
            yield task.sleep(1)

    for name in ("one", "two"):
        house.add(name, hogging, priority=2)
    house.add("starved", working, priority=4, heartbeat_ms=300)
    house.run(4000)
    assert house.rig.fault("starved") == 0
    assert [event[1:3] for event in house.events] == [("starved", STARVED)]


@pytest.mark.parametrize("relays", [0, 1, 2])
def test_who_waits_for_one_that_never_ran_is_not_hung_either(house: House, relays: int) -> None:
    def hogging(task: Any) -> Generator[int, int, None]:
        yield task.sleep(100)
        for _ in range(100):
            compute(house)
            yield task.sleep(0)
        yield task.recv()

    def serving(task: Any) -> Generator[int, int, None]:
        yield task.recv()
        while True:
            yield task.reply_recv(OK)

    def asking(task: Any) -> Generator[int, int, None]:
        yield task.sleep(95)
        while True:
            yield task.call(
                task.cap(f"relay{relays - 1}" if relays else "server"), 1, None, 60_000
            )
            yield task.sleep(1)

    house.add("hog", hogging, priority=2)
    house.add("server", serving, priority=5)
    for number in range(relays):
        target = f"relay{number - 1}" if number else "server"
        house.add(f"relay{number}", chained(target), priority=5, uses=f"{target}:call")
    target = f"relay{relays - 1}" if relays else "server"
    house.add("asker", asking, priority=4, heartbeat_ms=300, uses=f"{target}:call")
    house.run(4000)
    assert house.rig.fault("asker") == 0
    assert [event[1:3] for event in house.events] == [("asker", STARVED)]


def chained(target: str) -> Main:
    """Return a service that hands each call on."""

    def main(task: Any) -> Generator[int, int, None]:
        yield task.recv()
        while True:
            yield task.call(task.cap(target), 1, None, 60_000)
            yield task.reply_recv(OK)

    return main


def test_who_waits_for_one_that_sleeps_is_hung(house: House) -> None:
    def sleeping(task: Any) -> Generator[int, int, None]:
        while True:
            yield task.recv()
            yield task.sleep(60_000)

    def asking(task: Any) -> Generator[int, int, None]:
        yield task.call(task.cap("sleeper"), 1, None, 60_000)

    house.add("sleeper", sleeping)
    house.add("asker", asking, heartbeat_ms=300, uses="sleeper:call")
    house.run(500)
    assert [event[1:3] for event in house.events] == [("asker", HEARTBEAT)]


def test_who_spins_beyond_its_heartbeat_has_had_the_processor_itself(house: House) -> None:
    def spinning(task: Any) -> Generator[int, int, None]:
        yield task.sleep(10)
        while True:
            pass

    house.add("spinner", spinning, heartbeat_ms=300, budget_ms=5000)
    house.run(700)
    assert [event[1:3] for event in house.events] == [("spinner", HEARTBEAT)]


def test_who_sleeps_beyond_its_heartbeat_is_hung_unless_it_was_excused(house: House) -> None:
    def sleeping(task: Any) -> Generator[int, int, None]:
        yield task.call(task.cap("supervisor"), EXCUSE, 2000)
        yield task.sleep(2000)
        yield task.sleep(60_000)

    house.add("sleeper", sleeping, heartbeat_ms=300, uses="supervisor:call")
    house.run(2200)
    assert house.events == []
    house.run(1000)
    assert [event[1:3] for event in house.events] == [("sleeper", HEARTBEAT)]


def test_who_is_hung_is_found_as_its_heartbeat_ends(house: House) -> None:
    def sleeping(task: Any) -> Generator[int, int, None]:
        for _ in range(7):
            yield task.sleep(410)
        yield task.sleep(100_000)

    house.add("sleeper", sleeping, heartbeat_ms=3000)
    house.add("other", idle, heartbeat_ms=250)
    house.run(7 * 410 + 2990)
    assert house.events == []
    house.run(30)
    assert [event[1:3] for event in house.events] == [("sleeper", HEARTBEAT)]


def test_who_waits_for_messages_is_looked_at_once_a_heartbeat(house: House) -> None:
    for name in ("one", "two", "three"):
        house.add(name, idle, heartbeat_ms=1000)
    house.run(500)
    begun = house.rig.word("supervisor", STEPS)
    house.run(10_000)
    assert house.events == []
    assert house.rig.word("supervisor", STEPS) - begun <= 11 * 5  # all, each, and to wait


def test_who_wakes_after_a_long_wait_for_messages_is_not_hung_in_its_first_step(
    house: House,
) -> None:
    def serving(task: Any) -> Generator[int, int, None]:
        yield task.recv()
        compute(house, 400_000)
        yield task.sleep(280)
        yield task.recv()

    def asking(task: Any) -> Generator[int, int, None]:
        yield task.sleep(2290)
        yield task.send(task.cap("server"), 1)
        yield task.recv()

    house.add("server", serving, heartbeat_ms=300, budget_ms=1000, mailbox=(1, FAIL))
    house.add("asker", asking, uses="server:send")
    house.run(4000)
    assert house.events == []


_VALUES = (
    *(None, True, False, 0, 1, 2, 3, 255, 256, -1, 1 << 30, 1 << 40, -(1 << 40), 1.5),
    *(float("inf"), "", "victim", "x" * 256, b"", b"victim", (), (1,), ("victim",)),
    *[
        (name, one)
        for name in ("", "victim", b"victim", 7)
        for one in (None, "x", 2.5, -1, 1 << 40)
    ],
    *[("victim", one) for one in (True, 256, 1 << 30)],
    *(("victim", 1, 2), ("victim", 0, None), ("", None), tuple(range(16))),
)


@pytest.mark.parametrize("rights", ["call", "call,control"])
def test_no_client_faults_the_supervisor_with_any_value(house: House, rights: str) -> None:
    asked = []

    def asking(task: Any) -> Generator[int, int, None]:
        for operation in (*range(12), 100, 191):
            for value in _VALUES:
                status = yield task.call(task.cap("supervisor"), operation, value)
                asked.append((operation, status))
                if operation in (EVENT, INJECT, CONTROL) and rights == "call":
                    assert status == NO_RIGHT
        yield task.recv()

    house.add("victim", failing, restart="temporary")
    house.add("asker", asking, uses="supervisor:" + rights)
    house.run(3000)
    assert len(asked) == 14 * len(_VALUES)
    assert house.rig.generation("supervisor") == 1
    assert house.rig.fault("asker") == 0


def test_who_may_call_the_supervisor_reads_and_does_not_control(house: House) -> None:
    answers = []

    def asking(task: Any) -> Generator[int, int, None]:
        supervisor = task.cap("supervisor")
        orders = [(CONTROL, ("", RESET)), (CONTROL, ("victim", HOLD)), (EVENT, None)]
        for operation, value in [*orders, (INJECT, ("victim", 1)), (ROWS, 3)]:
            answers.append((yield task.call(supervisor, operation, value)))
        yield task.recv()

    house.add("victim", idle)
    house.add("asker", asking, uses="supervisor:call")
    house.run(500)
    assert answers == [NO_RIGHT] * 4 + [OK]
    assert house.times("victim") == house.times("victim")[:1]
