"""Figures, their bounds and their reports, without a board."""

import json
from pathlib import Path

import pytest

from bulkhead_host.bench.board import figures_in, percentile
from bulkhead_host.bench.figures import Figure, Result, result_of
from bulkhead_host.bench.measurements import DERIVED, MEASUREMENTS
from bulkhead_host.bench.report import table, to_json
from bulkhead_host.bench.sizes import code_lines, function_bytes
from bulkhead_host.errors import BulkheadError

SPEED = Figure(name="speed_us", unit="us", target=100, goal=50)
CODE = '''"""A module."""

from os import (
    path,
)  # two names once


def one(value):
    """Say so.

    At length.
    """
    # Aside.
    return """two
lines"""
'''


@pytest.mark.parametrize(
    ("value", "holds", "reaches_goal"),
    [(50.0, True, True), (50.1, True, False), (100.0, True, False), (100.1, False, False)],
)
def test_a_bound_is_kept_up_to_and_at_its_value(
    value: float, holds: bool, reaches_goal: bool
) -> None:
    result = result_of(SPEED, {"speed_us": value}, "")
    assert (result.holds, result.reaches_goal) == (holds, reaches_goal)


def test_a_figure_without_bounds_holds_once_it_is_measured() -> None:
    figure = Figure(name="size", unit="bytes")
    assert result_of(figure, {"size": 1.0}, "").holds
    assert not result_of(figure, {}, "no board").holds


def test_a_missing_value_says_why() -> None:
    assert result_of(SPEED, {}, "DeviceTimeout: late").failure == "DeviceTimeout: late"
    assert result_of(SPEED, {}, "").failure == "nothing printed speed_us"
    for figure in DERIVED:
        assert "nothing printed" in result_of(figure, {}, "").failure


def test_json_holds_what_applies_and_nothing_else() -> None:
    full = result_of(SPEED, {"speed_us": 60.0, "asyncio_speed_us": 70.00049}, "")
    bare = Result(figure=Figure(name="size", unit="bytes"), failure="no board")
    assert json.loads(to_json([full, bare])) == [
        {
            "name": "speed_us",
            "value": 60.0,
            "unit": "us",
            "target": 100,
            "limit": 100,
            "goal": 50,
            "peer": {"name": "asyncio", "value": 70.0},
        },
        {"name": "size", "value": None, "unit": "bytes", "failure": "no board"},
    ]


def test_the_table_sets_value_bounds_and_peer_side_by_side() -> None:
    lines = table([result_of(SPEED, {"speed_us": 60.0, "asyncio_speed_us": 70.0}, "")])
    head, row = lines.splitlines()
    assert head.split() == [
        "figure",
        "value",
        "unit",
        "target",
        "holds",
        "goal",
        "reached",
        "asyncio",
    ]
    assert row.split() == ["speed_us", "60.0", "us", "100", "yes", "50", "NO", "70.0"]


def test_other_boards_stand_beside_the_kind_one_and_what_they_miss_is_named() -> None:
    boards = ("silicon", "silicon, in RAM")
    slow, quick = {"speed_us": 60.0}, {"speed_us": 50.0}
    result = result_of(SPEED, {"speed_us": 40.0}, "", {"silicon": slow, "silicon, in RAM": quick})
    apart = result_of(Figure(name="size", unit="bytes"), {"size": 1.0}, "")
    head, row, other, *missed = table([result, apart], boards).splitlines()
    assert head.endswith("silicon  silicon, in RAM")
    assert row.split()[-2:] == ["60.0", "50.0"]
    assert other.split() == ["size", "1", "bytes"]
    assert missed == [
        "goals of the kind board's not reached on silicon: speed_us",
        "goals of the kind board's not reached on silicon, in RAM: none",
    ]
    assert json.loads(to_json([result]))[0]["elsewhere"] == {
        "silicon": 60.0,
        "silicon, in RAM": 50.0,
    }


def test_a_figure_that_fails_on_another_board_is_said_to_and_does_not_hold() -> None:
    result = result_of(SPEED, {"speed_us": 40.0}, "DeviceTimeout: late", {"silicon": {}})
    lines = table([result], ["silicon"]).splitlines()
    assert lines[1].split()[-1] == "failed"
    assert lines[-1] == "failed: DeviceTimeout: late"
    assert json.loads(to_json([result]))[0]["elsewhere"] == {"silicon": None}


def test_a_value_that_rounds_to_nothing_has_no_sign() -> None:
    figure = Figure(name="growth", unit="%")
    assert table([result_of(figure, {"growth": -0.001}, "")]).split()[-2:] == ["0.00", "%"]


def test_figures_are_read_from_among_other_output() -> None:
    output = "1.234 W blink: level=3\nspeed_us=1.500\nbytes=0.000\nname = 5\nnegative=-2\n"
    assert figures_in(output) == {"speed_us": 1.5, "bytes": 0.0, "negative": -2.0}


def test_percentiles_are_samples_by_nearest_rank() -> None:
    samples = [float(number) for number in range(200, 0, -1)]
    assert percentile(samples, 50) == 100
    assert percentile(samples, 99) == 198
    assert percentile([7.0], 99) == 7


def test_code_lines_leave_out_comments_docstrings_and_empty_lines() -> None:
    assert code_lines(CODE) == 6


def test_no_figure_is_measured_twice() -> None:
    names = [figure.name for one in MEASUREMENTS for figure in one.figures]
    names += [figure.name for figure in DERIVED]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x7fELF\x01\x01\x01" + bytes(45)])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    elf = tmp_path / "image.elf"
    elf.write_bytes(content)
    with pytest.raises(BulkheadError, match=r"image\.elf (is no image|has no symbols)"):
        function_bytes(elf)
