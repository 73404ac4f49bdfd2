"""The logger's ring and what makes a text plain, as functions."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from bulkhead.plain import fault_lines, plain
from bulkhead_host.paths import source_root


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(source_root())
    yield importlib.import_module("services.logger.ring").Ring()


def texts(ring: Any) -> list[str]:
    found = []
    number = 0
    while record := ring.after(number):
        number = record[0]
        found.append(record[-1])
    return found


def read_all(ring: Any, number: int) -> list[str]:
    reader = ring.reader(number, 4)
    found = []
    while record := ring.next(reader):
        found.append(record[-1] if len(record) > 2 else f"{record[1]} lost of {record[0]}")
    return found


def test_records_stay_when_they_were_seen_and_a_late_reader_gets_them(ring: Any) -> None:
    for number in range(20):
        ring.put(number, 2, 5, f"line {number}")
        assert read_all(ring, 1) == [f"line {number}"]
    assert read_all(ring, 2) == [f"line {number}" for number in range(20)]
    assert texts(ring) == [f"line {number}" for number in range(20)]


def test_a_flood_that_is_read_pushes_out_its_own_records_alone(ring: Any) -> None:
    for number in range(8):
        ring.put(number, 2, 5, f"calm {number}")
    for number in range(500):
        ring.put(number, 2, 6, f"flood {number}")
        read_all(ring, 1)
    kept = texts(ring)
    assert [text for text in kept if text.startswith("calm")] == [f"calm {n}" for n in range(8)]
    assert kept[-1] == "flood 499"
    assert len(kept) == 64


def test_what_is_lost_while_a_loss_is_told_is_told_after_it(ring: Any) -> None:
    reader = ring.reader(1, 4)
    for number in range(40):
        ring.put(number, 2, 5, f"line {number}")
    assert ring.next(reader) == (5, 8)
    ring.put(40, 2, 5, "line 40")
    assert ring.next(reader) == (5, 1)
    assert ring.next(reader)[-1] == "line 9"


@pytest.mark.parametrize("count", [31, 32, 33, 40, 100])
def test_what_nobody_has_seen_has_its_own_room_and_is_counted(ring: Any, count: int) -> None:
    for number in range(100):
        ring.put(number, 2, 5, f"old {number}")
        read_all(ring, 1)
    for number in range(count):
        ring.put(number, 2, 6, f"new {number}")
    lost = max(count - 32, 0)
    wanted = [f"new {number}" for number in range(lost, count)]
    assert read_all(ring, 1) == ([f"{lost} lost of 6"] if lost else []) + wanted


def test_what_was_lost_before_anybody_read_is_told_to_each_reader(ring: Any) -> None:
    for number in range(40):
        ring.put(number, 2, 1 + number % 2, f"line {number}")
    kept = [f"line {number}" for number in range(8, 40)]
    assert read_all(ring, 6) == ["4 lost of 2", "4 lost of 1", *kept]
    assert read_all(ring, 1) == ["4 lost of 2", *kept[1::2]]  # not its own
    ring.put(40, 2, 1, "line 40")
    assert read_all(ring, 6) == ["line 40"]


def test_an_update_keeps_the_newest_of_what_was_seen(ring: Any) -> None:
    for number in range(200):
        ring.put(number, 2, 5, f"line {number} " + "x" * 100)
        read_all(ring, 1)
    again = type(ring)()
    again.unpack(ring.packed(4096), 0)
    kept = texts(again)
    assert kept[-1].startswith("line 199 ")
    assert [int(text.split()[1]) for text in kept] == list(range(200 - len(kept), 200))
    assert read_all(again, 1) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("Größe 25 °C", "Größe 25 °C"),
        ("a\nb\rc\0d\x1b[2J\x7f", "a?b?c?d?[2J?"),
        ("\x80\x9b\x9f\xa0", "???\xa0"),
    ],
)
def test_control_characters_do_not_leave_a_text(text: str, shown: str) -> None:
    assert plain(text) == shown


HEAD = 'Traceback (most recent call last):\n  File "a.py", line 3, in main\n'


@pytest.mark.parametrize(
    ("words", "is_cut", "lines"),
    [
        (HEAD + "ValueError: x\n", False, [*HEAD.splitlines(), "ValueError: x"]),
        ("ValueError: x\n", False, ["ValueError: x"]),
        (
            HEAD + "E: a\n  1.000 W supervisor: b\n  File c\nd\n",
            False,
            [*HEAD.splitlines(), "E: a\\n  1.000 W supervisor: b\\n  File c\\nd"],
        ),
        ("  1.000 W supervisor: b\nE: c", True, ["...  1.000 W supervisor: b", "E: c"]),
        ("E: \x1b\x07\n", False, ["E: ??"]),
        ("", False, [""]),
    ],
)
def test_what_was_raised_is_one_line_whatever_it_says(
    words: str, is_cut: bool, lines: list[str]
) -> None:
    assert fault_lines(words.encode(), is_cut) == lines


def test_a_traceback_that_is_no_text_is_shown_all_the_same() -> None:
    assert fault_lines(b"E: \xff\xfe\x1b", False) == ["E: ???"]
