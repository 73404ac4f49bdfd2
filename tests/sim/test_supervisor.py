"""The supervisor that ships, under the kernel in the simulator: what its policies come to."""

from collections.abc import Generator
from itertools import pairwise
from typing import Any

import pytest
from supervised import DAY_MS, HOUR_MS, LOST, House, failing

from bulkhead.link import HOLD, RELEASE, RESTART
from cases.rig import idle
from kernel.abi import (
    DEGRADED,
    DORMANT,
    ENDED,
    EXCEPTION,
    FAULTED,
    GIVEN_UP,
    HELD,
    OK,
    RECEIVING,
    RETURNED,
)

_EVENTS_KEPT = 16


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a system to add services to."""
    return House(monkeypatch)


def returning(task: Any) -> Generator[int, int, None]:
    yield task.sleep(1)


def gaps(times: list[int]) -> list[int]:
    """Return the pauses between starts, without the millisecond or two that a life takes."""
    return [(late - early) // 10 * 10 for early, late in pairwise(times)]


def test_pauses_double_up_to_the_cap(house: House) -> None:
    house.add("bad", failing, pauses=(20, 100))
    house.run(540)
    assert gaps(house.times("bad")) == [0, 20, 40, 80, 100, 100, 100]


def test_a_service_that_was_good_for_ten_seconds_starts_without_a_pause_again(
    house: House,
) -> None:
    house.add("good", idle)
    house.run(10)
    for pause_ms in (5, 100, 9_900, 11_000, 5):
        house.fail("good")
        house.run(pause_ms)
    # At once, after 50, 100 and, having run for 9.8 s, 200 ms; after 10.8 s at once.
    # To 5 ms, without the millisecond or two that a start takes.
    assert [at // 5 * 5 for at in house.times("good")[1:]] == [10, 65, 215, 10_215, 21_015]


@pytest.mark.parametrize(("restart", "starts"), [("permanent", 3), ("transient", 1)])
def test_a_return_is_a_fault_of_what_is_permanent(house: House, restart: str, starts: int) -> None:
    house.add("short", returning, restart=restart)
    house.run(70)
    assert len(house.times("short")) == starts


@pytest.mark.parametrize(("restart", "starts"), [("transient", 3), ("temporary", 1)])
def test_a_temporary_service_is_never_started_again(
    house: House, restart: str, starts: int
) -> None:
    number = house.add("bad", failing, restart=restart)
    house.run(70)
    assert len(house.times("bad")) == starts
    assert house.told_state(number) == (ENDED if restart == "temporary" else FAULTED)


def test_what_has_ended_as_it_should_is_told_to_stay_down(house: House) -> None:
    number = house.add("job", returning, restart="transient")
    house.run(70)
    assert (house.told_state(number), house.rig.state("job")) == (ENDED, FAULTED)
    house.order(0, "job", RELEASE)
    house.wake()
    house.run(20)
    assert len(house.times("job")) == 2


def test_more_restarts_than_may_be_and_a_service_is_given_up(house: House) -> None:
    number = house.add("bad", failing, pauses=(10, 10), most=(3, 1000))
    house.add("good", idle)
    house.run(2000)
    assert len(house.times("bad")) == 4
    assert house.rig.state("bad") == FAULTED
    assert house.told_state(number) == DEGRADED
    assert [event[4] for event in house.events if event[1] == "bad"] == [0, 10, 10, -2]
    assert (house.rig.state("good"), house.rig.generation("good")) == (RECEIVING, 1)


@pytest.mark.parametrize(("count", "lost"), [(_EVENTS_KEPT, 0), (_EVENTS_KEPT + 4, 5)])
def test_events_that_give_way_before_they_are_asked_for_are_counted(
    house: House, count: int, lost: int
) -> None:
    names = [f"bad{number}" for number in range(count)]
    for name in names:
        house.add(name, idle)
    house.run(10)
    for name in names:
        house.fail(name)
    house.run(100)
    told = [("", LOST, lost)] if lost else []
    told += [(name, EXCEPTION, 0) for name in names[lost:]]
    assert [(event[1], event[2], event[4]) for event in house.events] == told


@pytest.mark.parametrize(("apart_ms", "starts"), [(490, 3), (510, 4)])
def test_the_window_slides(house: House, apart_ms: int, starts: int) -> None:
    house.add("bad", idle, pauses=(10, 10), most=(2, 1000))
    house.run(10)
    for _ in range(3):
        house.fail("bad")
        house.run(apart_ms)
    assert len(house.times("bad")) == starts


@pytest.mark.parametrize("days", [6, 7, 12, 13, 25])
def test_faults_that_are_days_apart_are_no_faults_in_a_row(house: House, days: int) -> None:
    """Three at power-on, and then one: ticks of which one is a week old compare the wrong way."""
    house.add("radio", idle, most=(3, 60_000), resets=True, pauses=(50, 5000))
    house.run(100)
    for _ in range(3):
        house.fail("radio")
        house.run(6000)
    house.run(days * DAY_MS)
    house.fail("radio")
    house.run(1000)
    assert [event[-1] for event in house.events] == [0, 50, 100, 0]
    assert house.rig.state("radio") == RECEIVING


def test_a_pause_is_as_long_as_it_should_be_on_any_day(house: House) -> None:
    house.add("radio", failing, pauses=(HOUR_MS, HOUR_MS))
    house.run(14 * DAY_MS)
    assert len(house.times("radio")) == 14 * 24 + 1


def test_a_service_that_was_given_up_is_started_afresh_when_it_is_released(house: House) -> None:
    house.add("bad", failing, pauses=(10, 10), most=(1, 1000))
    house.order(200, "bad", RELEASE)
    house.run(400)
    assert len(house.times("bad")) == 4
    assert house.answers == [(OK, None)]


def test_giving_up_a_critical_service_resets_the_board_in_its_name(house: House) -> None:
    number = house.add("bad", failing, pauses=(10, 10), most=(2, 1000), resets=True)
    with pytest.raises(SystemExit):
        house.run(500)
    assert len(house.times("bad")) == 3
    assert house.port.crash()[:2] == (number, GIVEN_UP)


STRATEGIES: dict[str, dict[str, tuple[str, ...]]] = {
    "one_for_one": {"a": (), "b": (), "c": ()},
    "rest_for_one": {"a": ("b", "c"), "b": ("c",), "c": ()},
    "one_for_all": {"a": ("b", "c"), "b": ("a", "c"), "c": ("a", "b")},
}
NUMBERS = {"a": 3, "b": 4, "c": 5, "d": 6}


def add_group(house: House, strategy: str, **policy: Any) -> None:
    for name, fate in STRATEGIES[strategy].items():
        numbers = tuple(NUMBERS[other] for other in fate)
        assert house.add(name, idle, fate=numbers, **policy) == NUMBERS[name]
    house.add("d", idle)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("first", "abc")
def test_the_strategy_says_who_is_started_again_along_with_a_service(
    house: House, strategy: str, first: str
) -> None:
    add_group(house, strategy)
    house.run(10)
    house.fail(first)
    house.run(10)
    fallen = {first, *STRATEGIES[strategy][first]}
    assert {name for name in "abcd" if house.rig.generation(name) == 2} == fallen
    assert all(house.rig.state(name) == RECEIVING for name in "abcd")
    again = [name for name, at in house.starts if at >= 10 and name in "abcd"]
    assert again == sorted(fallen)
    assert [event[1] for event in house.events] == [first]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_falls_with_a_service_is_given_up_and_released_with_it(
    house: House, strategy: str
) -> None:
    add_group(house, strategy, most=(1, 1000), pauses=(10, 10))
    house.run(10)
    for _ in range(2):
        house.fail("b")
        house.run(30)
    fallen = {"b", *STRATEGIES[strategy]["b"]}
    for name in "abcd":
        assert house.told_state(NUMBERS[name]) == (DEGRADED if name in fallen else RECEIVING)
    house.order(0, "b", RELEASE)
    house.wake()
    house.run(100)
    assert all(house.rig.state(name) == RECEIVING for name in "abcd")


def test_a_service_is_started_once_what_it_comes_after_serves(house: House) -> None:
    def slow(task: Any) -> Generator[int, int, None]:
        yield task.call(task.cap("silent"), 1, timeout_ms=300)
        yield task.recv()

    house.add("last", idle, after=(4,))
    house.add("slow", slow, uses="silent:call", after=(5,))
    house.add("silent", idle)
    house.run(600)
    (slow_at,), (last_at,) = house.times("slow"), house.times("last")
    assert 5 <= slow_at < 20
    assert 300 <= last_at - slow_at < 320


def test_what_has_ended_as_it_should_has_served(house: House) -> None:
    house.add("setup", returning, restart="transient")
    house.add("user", idle, after=(3,))
    house.run(100)
    assert len(house.times("setup")) == len(house.times("user")) == 1


def test_what_comes_after_a_service_that_is_held_waits_for_its_release(house: House) -> None:
    house.add("base", idle)
    house.add("user", idle, after=(3,))
    house.order(20, "base", HOLD)
    house.order(1000, "base", RELEASE)
    house.run(30)
    house.fail("user")
    house.run(2000)
    first, again = house.times("user")
    assert again >= 1000 > first


def test_restarts_on_purpose_are_no_faults_and_do_not_count(house: House) -> None:
    house.add("good", idle, most=(1, 60_000))
    for count in range(5):
        house.order(10 + 20 * count, "good", RESTART)
    house.run(200)
    assert len(house.times("good")) == 6
    assert house.events == []
    assert house.rig.fault("good") == 0
    assert house.answers == [(OK, None)] * 5


def test_a_service_that_is_preempted_is_restarted_on_purpose_all_the_same(house: House) -> None:
    def spinning(task: Any) -> Generator[int, int, None]:
        while True:
            if len(house.times("spinner")) > 1:
                yield task.recv()

    house.add("spinner", spinning, priority=6)
    house.order(8, "spinner", RESTART)
    house.run(50)
    assert len(house.times("spinner")) == 2
    assert house.events == []


def test_what_is_held_stays_so_when_the_supervisor_has_died(house: House) -> None:
    number = house.add("bad", idle)
    house.add("done", returning, restart="transient")
    house.add("given_up", failing, most=(1, 1000), pauses=(10, 10))
    house.order(20, "bad", HOLD)
    house.run(200)
    for _ in range(3):
        house.fail("supervisor")
        house.run(100)
    assert house.rig.generation("supervisor") == 4
    assert house.rig.state("bad") == DORMANT
    assert house.told_state(number) == HELD
    assert house.told_state(number + 2) == DEGRADED
    assert (len(house.times("done")), len(house.times("given_up"))) == (1, 2)
    assert house.rig.fault("done") == RETURNED
    assert [event[1] for event in house.events].count("supervisor") == 3
    house.order(0, "bad", RELEASE)
    house.wake()
    house.run(100)
    assert house.rig.state("bad") == RECEIVING


@pytest.mark.parametrize("priority", [0, 1, 2])
def test_a_crash_loop_of_the_most_important_leaves_the_others_their_share(
    house: House, priority: int
) -> None:
    def spinning(_sys: Any) -> Generator[int, int, None]:
        while True:
            pass
        yield

    steps = []

    def working(task: Any) -> Generator[int, int, None]:
        while True:
            for _ in range(1000):
                pass
            steps.append(house.port.uptime_ms())
            yield task.sleep(5)

    house.add("bad", spinning, priority=priority)
    house.add("working", working, priority=6)
    house.run(1000)
    # It is killed after 20 ms each time: at once again, then after 50, 100, 200, 400 ms.
    assert len(house.times("bad")) == 6
    assert "working" not in [event[1] for event in house.events]
    assert len(steps) >= 100
