"""The inventory of a farm: what is wrong in one is named by its line."""

import datetime
from pathlib import Path

import pytest

from bulkhead_host.errors import UsageError
from pytest_bulkhead.inventory import Entry, Quarantine, load_inventory

RIGHT = """\
[[board]]
id = "one"
board = "pico"
port = "/dev/ttyACM0"
fixtures = ["loopback"]
power = "uhubctl -p 2 -a {action}"
notes = "by the window"

[[board]]
id = "two"
board = "esp32"
port = "id:E6614C"
quarantine = { since = 2026-11-02, reason = "USB goes away" }
"""


def test_boards_are_those_of_the_file_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "farm.toml"
    file.write_text(RIGHT)
    one, two = load_inventory(file)
    assert one == Entry(
        id="one",
        board="pico",
        port="/dev/ttyACM0",
        fixtures=frozenset({"loopback"}),
        power=("uhubctl", "-p", "2", "-a", "{action}"),
        notes="by the window",
    )
    assert two.quarantine == Quarantine(since=datetime.date(2026, 11, 2), reason="USB goes away")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "two"', 'id = "one"', "two boards have the id one"),
        ('port = "id:E6614C"\n', "", ":9: port is missing"),
        ('board = "esp32"', 'board = "pica"', ":11: no board is called pica"),
        ('notes = "by the window"', 'note = "x"', ":7: note is not known"),
        ("{action}", "on", ":6: power does not say {action}"),
        ("-a {action}", "-a '{action}", ":6: power is no command: No closing quotation"),
        ('["loopback"]', "[1]", ":5: fixtures are names"),
        ("since = 2026-11-02", 'since = "today"', ":13: quarantine takes since, a day"),
        ("[[board]]", "[[bored]]", "bored is not known"),
        ('id = "one"', "id = one", ":2: the TOML is wrong"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in RIGHT
    file = tmp_path / "farm.toml"
    file.write_text(RIGHT.replace(old, new, 1) if new != 'id = "one"' else RIGHT.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_inventory(file)
    assert words in caught.value.cause


def test_an_empty_inventory_and_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "farm.toml").write_text("")
    with pytest.raises(UsageError, match="no board is listed"):
        load_inventory(tmp_path / "farm.toml")
    with pytest.raises(UsageError, match="does not exist"):
        load_inventory(tmp_path / "other.toml")


TWISTER = """\
- connected: true
  id: E6614C311B7F2A2C
  platform: rpi_pico/rp2040
  product: Pico
  runner: uf2
  serial: /dev/ttyACM3
  fixtures:
    - loopback
- connected: false
  id: other
  platform: nucleo
  serial: null
"""


def test_twisters_hardware_map_is_read(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(TWISTER)
    (entry,) = load_inventory(file)
    assert (entry.id, entry.board, entry.port) == ("E6614C311B7F2A2C", "pico", "/dev/ttyACM3")
    assert entry.fixtures == {"loopback"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- [", "the YAML is wrong"),
        ("a: 1", "a hardware map is a list"),
        (TWISTER.replace("rpi_pico", "nucleo_f4"), "no board here is the platform nucleo_f4"),
    ],
)
def test_a_hardware_map_that_is_wrong_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "map.yml"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_inventory(file)
