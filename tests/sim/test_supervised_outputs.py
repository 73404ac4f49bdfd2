"""A hard driver in a group, under the supervisor that ships: it goes on, with its outputs safe."""

from collections.abc import Generator
from typing import Any

import pytest
from supervised import House

from bulkhead.link import HOLD, RELEASE
from cases.ports import CasePort
from cases.rig import Rig, control, idle
from kernel.abi import ATTENDING, DEGRADED, HELD, MEMORY, ORDERED


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a system to add services to."""
    return House(monkeypatch)


HEAT, POWER = 2, 3  # pins


def add_stop(house: House) -> list[int]:
    """Add a motor and its emergency stop, a hard driver, in one group; return what it notes."""
    noted: list[int] = []
    pins = house.port.pins

    def motor(task: Any) -> Generator[int, int, None]:
        pins.set_up(HEAT, 1)
        yield from idle(task)

    def stop(task: Any) -> Generator[int, int, None]:
        house.starts.append(("stop", house.port.uptime_ms()))
        pins.set_up(POWER, 1)
        yield task.acknowledge(task.cap("edge"))
        while True:
            yield task.recv()
            noted.append(house.port.uptime_ms())
            pins.drive(POWER, 0)
            pins.drive(POWER, 1)  # as its key would
            yield task.acknowledge(task.cap("edge"))

    add = house.rig.add
    add("motor", motor, outputs=(HEAT, 0))
    house.policy("motor", pauses=(100, 100), most=(2, 60_000), fate=(4,))
    add("stop", stop, priority=0, lines=("edge",), hard=True, outputs=(POWER, 0))
    house.policy("stop", pauses=(100, 100), fate=(3,))
    return noted


def test_a_hard_driver_goes_on_with_its_outputs_safe_until_its_group_is_started_anew(
    house: House,
) -> None:
    noted = add_stop(house)
    pins = house.port.pins
    house.run(10)
    house.fail("motor")
    house.run(10)
    assert len(house.times("stop")) == 2
    house.fail("motor")
    for _ in range(9):
        house.run(10)
        assert house.rig.state("stop") == ATTENDING
        assert (pins.level(HEAT), pins.level(POWER)) == (0, 0)
        house.port.fire(house.rig.line(0))
    assert len(noted) == 9
    assert len(house.times("stop")) == 2
    house.run(20)
    assert house.times("stop")[2] - house.times("stop")[1] == pytest.approx(110, abs=10)
    assert (pins.level(HEAT), pins.level(POWER)) == (1, 1)
    house.fail("motor")  # once too often
    house.run(200)
    assert [house.told_state(number) for number in (3, 4)] == [DEGRADED, DEGRADED]
    assert (pins.level(HEAT), pins.level(POWER)) == (0, 0)


def test_a_hard_driver_is_started_anew_also_by_the_supervisors_next_incarnation(
    house: House,
) -> None:
    add_stop(house)
    house.run(10)
    house.fail("motor")
    house.run(10)
    house.fail("motor")
    house.run(10)
    house.fail("supervisor")
    house.run(20)
    assert len(house.times("stop")) == 3
    assert house.rig.state("stop") == ATTENDING
    assert (house.port.pins.level(HEAT), house.port.pins.level(POWER)) == (1, 1)


def test_what_fell_before_the_supervisor_acted_takes_its_group_along(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = house.module.Ward
    failed = ward.failed

    def fails(*_arguments: object) -> int:
        monkeypatch.setattr(ward, "failed", failed)
        raise MemoryError

    add_stop(house)
    house.run(10)
    monkeypatch.setattr(ward, "failed", fails)
    house.fail("motor")
    house.run(20)
    assert house.rig.fault("supervisor") == MEMORY
    assert len(house.times("stop")) == 2


def test_a_hard_driver_that_is_held_in_the_pause_is_started_when_it_is_released(
    house: House,
) -> None:
    add_stop(house)
    house.run(10)
    house.fail("motor")
    house.run(10)
    house.fail("motor")
    house.run(10)
    house.order(0, "stop", HOLD)
    house.wake()
    house.run(300)
    assert house.told_state(4) == HELD
    assert (house.port.pins.level(HEAT), house.port.pins.level(POWER)) == (1, 0)
    house.order(0, "stop", RELEASE)
    house.wake()
    house.run(20)
    assert house.rig.state("stop") == ATTENDING
    assert house.port.pins.level(POWER) == 1


@pytest.mark.parametrize("faults", [2, 3], ids=["pause", "given up"])
def test_what_is_released_does_not_run_beside_one_of_its_group_that_is_down(
    house: House, faults: int
) -> None:
    add_stop(house)
    pins = house.port.pins
    house.run(10)
    house.order(0, "stop", HOLD)
    house.wake()
    house.run(10)
    for _ in range(faults):
        house.fail("motor")
        house.run(10)
    house.run(150 if faults == 3 else 0)
    assert (pins.level(HEAT), pins.level(POWER)) == (0, 0)
    house.order(0, "stop", RELEASE)
    house.wake()
    house.run(20)
    assert (pins.level(HEAT), pins.level(POWER)) == (1, 1)


def test_an_ordered_reset_makes_outputs_safe_whatever_the_order_was_given_with() -> None:
    rig = Rig(CasePort())

    def driver(task: Any) -> Generator[int, int, None]:
        rig.port.pins.set_up(POWER, 1)
        yield task.recv()

    def script(task: Any, kernel: int) -> Generator[int, int, None]:
        yield task.sleep(5)
        assert rig.port.pins.level(POWER) == 1
        task.arg = ("", 3)  # as the supervisor has it of its caller
        yield task.reset_board(kernel, 1, ORDERED)

    with pytest.raises(SystemExit, match="reset"):
        control(rig, script, ("driver", driver, {"outputs": (POWER, 0)}))
    assert rig.port.was_reset
    assert rig.port.pins.level(POWER) == 0
