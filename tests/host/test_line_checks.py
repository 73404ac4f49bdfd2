"""What the build says about interrupt lines and hard drivers, and what it makes of them."""

from pathlib import Path

import pytest
from small_system import application, rows

from bulkhead_host.errors import UsageError

LINE = '[[line]]\nname = "line"\nsource = '


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('"pin"\npin = "button"', ("line", "pin", 15, "falling none", 1000)),
        ('"timer"\nperiod_us = 250', ("line", "timer", 250, "falling none", 1000)),
        ('"timer"\nperiod_ms = 5', ("line", "timer", 5000, "falling none", 1000)),
        (
            '"uart"\nrx = "gp5"\ntx = "gp4"\nbaudrate = 9600\n[safe]\ngp4 = "high"',
            ("line", "uart", (1, 9600, 4, 5), "falling none", 1000),
        ),
        (
            '"pio"\nstate_machine = 7\nrate_max_hz = 20000',
            ("line", "pio", 7, "falling none", 20000),
        ),
    ],
)
def test_a_line_is_what_its_port_takes(tmp_path: Path, line: str, row: tuple[object, ...]) -> None:
    assert rows(application(tmp_path, driver=LINE + line))["driver"][6] == (row,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"timer"', r"service.toml:4: .*period_ms is missing, and must be an integer"),
        ('"timer"\nperiod_us = 99', r"service.toml:7: .*period_us is 99"),
        ('"timer"\nperiod_us = 100\nperiod_ms = 1', r"service.toml:8: a timer has one period"),
        ('"timer"\nperiod_ms = 1\npin = "gp2"', r"service.toml:8: line.pin is for lines whose"),
        ('"uart"\nrx = "gp5"', r"tx is missing"),
        ('"uart"\nrx = "gp5"\ntx = "gp0"', r"service.toml:7: gp5 and gp0 are not rx and tx of"),
        ('"uart"\nrx = "gp99"\ntx = "gp4"', r"service.toml:7: board pico has no pin gp99"),
        ('"pio"\nstate_machine = 8', r"service.toml:7: .*state_machine is 8"),
        ('"light"', r"service.toml:6: .*source is \"light\", and must be one of pin, timer"),
    ],
)
def test_a_line_that_cannot_be_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rows(application(tmp_path, driver=LINE + line))


def test_a_state_machine_has_one_owner(tmp_path: Path) -> None:
    line = LINE + '"pio"\nstate_machine = 2'
    with pytest.raises(UsageError, match="state machine 2 belongs to one already"):
        rows(application(tmp_path, one=line, two=line))


def test_timers_of_all_services_are_counted(tmp_path: Path) -> None:
    def timers(count: int) -> str:
        line = '[[line]]\nname = "t{}"\nsource = "timer"\nperiod_ms = 5\n'
        return "".join(line.format(number) for number in range(count))

    (tmp_path / "more").mkdir()
    rows(application(tmp_path, one=timers(7), two=timers(7)))
    with pytest.raises(UsageError, match="more timers than board pico has for lines, 14"):
        rows(application(tmp_path / "more", one=timers(7), two=timers(8)))


def test_a_pin_of_a_uart_has_one_owner(tmp_path: Path) -> None:
    line = LINE + '"uart"\nrx = "gp5"\ntx = "gp4"'
    with pytest.raises(UsageError, match=r"pin gp4 belongs to (one and to two|two and to one)"):
        rows(application(tmp_path, one=line, two='pins = ["gp4"]'))


HARD = 'hard = true\n[[line]]\nname = "stop"\nsource = "pin"\npin = "gp2"\n'


def test_a_hard_driver_that_notifies_is_one(tmp_path: Path) -> None:
    table = rows(application(tmp_path, stop=HARD + '[uses]\nother = ["notify"]', other=""))
    assert table["stop"][8] == (0, 0, 0, 0, 1)
    assert table["other"][8] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("hard = true", r"service.toml:4: stop is a hard driver without an interrupt"),
        ("hard = 1", r"service.toml:4: .*hard is 1, and must be true or false"),
        ("heartbeat_ms = 5\n" + HARD, r"service.toml:4: a hard driver sends no heartbeat"),
        ("slots = 2\n" + HARD, r"service.toml:4: a hard driver is granted nothing"),
        (
            "period_ms = 50\nperiod_budget_ms = 50\n" + HARD,
            r"service.toml:4: a hard driver has no budget for a period",
        ),
        (
            HARD + '[mailbox]\ndepth = 1\nwhen_full = "fail"',
            r"service.toml:9: a hard driver takes no mail",
        ),
        (
            HARD + '[uses]\nother = ["call"]',
            r"service.toml:10: a hard driver can notify other, and nothing else",
        ),
        (
            HARD + '[uses]\nother = ["notify", "call"]',
            r"service.toml:10: a hard driver can notify other, and nothing else",
        ),
        (
            HARD + "rate_max_hz = 6001",
            r"service.toml:9: 6,001 hard steps a second would leave the board no processor",
        ),
        (
            'hard = true\n[[line]]\nname = "in"\nsource = "console"',
            r"service.toml:7: console input raises no hardware interrupt",
        ),
    ],
)
def test_what_a_hard_driver_may_not_have_is_refused(
    tmp_path: Path, manifest: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        rows(application(tmp_path, stop=manifest, other=""))


def test_nobody_may_reach_a_hard_driver(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"service.toml:5: stop is a hard driver: it receives"):
        rows(application(tmp_path, stop=HARD, other='[uses]\nstop = ["notify"]'))


def test_an_async_hard_driver_is_refused(tmp_path: Path) -> None:
    folder = application(tmp_path, stop=HARD)
    (folder / "stop/service.py").write_text("async def main(task):\n    await task.recv()\n")
    with pytest.raises(UsageError, match="must be a generator function: await allocates"):
        rows(folder)
