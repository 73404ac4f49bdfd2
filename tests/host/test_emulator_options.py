"""What `bulkhead sim` reads from its command line."""

from pathlib import Path

import pytest

from bulkhead_host.commands.sim import Press, SimOptions, parse_press, parse_tcp, sim
from bulkhead_host.emulator.pins import pin_number
from bulkhead_host.errors import UsageError


@pytest.mark.parametrize(
    ("text", "press"),
    [
        ("GP15", Press(pin=15, at_ms=2000, hold_ms=100)),
        ("gpio3@10", Press(pin=3, at_ms=10, hold_ms=100)),
        ("0@10:7", Press(pin=0, at_ms=10, hold_ms=7)),
    ],
)
def test_a_press_names_a_pin_a_time_and_a_hold(text: str, press: Press) -> None:
    assert parse_press(text) == press


@pytest.mark.parametrize("text", ["", "GP15@", "GP15@1:", "GP30", "LED", "GP15@x", "GP-1"])
def test_a_press_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no"):
        parse_press(text)


def test_pins_go_by_name_or_number() -> None:
    assert [pin_number(name) for name in ("GP0", "gp29", "GPIO7", "7")] == [0, 29, 7, 7]


def test_a_tcp_address_is_a_port_with_or_without_a_host() -> None:
    assert parse_tcp("8266") == ("127.0.0.1", 8266)
    assert parse_tcp("0.0.0.0:0") == ("0.0.0.0", 0)
    for text in ("host:", "65536", "-1", "x"):
        with pytest.raises(UsageError, match="no TCP address"):
            parse_tcp(text)


def test_a_link_to_a_tcp_port_is_refused(tmp_path: Path) -> None:
    options = SimOptions(image=None, tcp="0", link=tmp_path / "link")
    with pytest.raises(UsageError, match="--link names a pseudo-terminal"):
        sim(options, on_ready=lambda _: None)
