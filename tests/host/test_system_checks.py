"""What the build says about capabilities in manifests, and what it makes of them."""

from pathlib import Path

import pytest
from small_system import application, rows

from bulkhead_host.errors import UsageError


def test_slots_become_free_slots_of_the_row(tmp_path: Path) -> None:
    table = rows(application(tmp_path, names="slots = 8", plain=""))
    assert table["names"][8] == (0, 0, 0, 8, 0)
    assert table["plain"][8] == (0, 0, 0, 0, 0)


def test_grant_is_a_right_beside_others(tmp_path: Path) -> None:
    table = rows(application(tmp_path, led="", names='[uses]\nled = ["call", "grant"]'))
    assert table["names"][5] == (("led", "led", 1 | 32, 2),)


@pytest.mark.parametrize("slots", ["-1", "65", '"many"'])
def test_slots_out_of_range_are_refused(tmp_path: Path, slots: str) -> None:
    with pytest.raises(UsageError, match=r"slots is .* from 0 to 64"):
        rows(application(tmp_path, names=f"slots = {slots}"))


@pytest.mark.parametrize(("uses", "fits"), [(64, True), (65, False)])
def test_table_holds_128_capabilities(tmp_path: Path, uses: int, fits: bool) -> None:
    names = [f"s{index}" for index in range(uses)]
    text = "slots = 64\n[uses]\n" + "".join(f'{name} = ["call"]\n' for name in names)
    folder = application(tmp_path, client=text, **dict.fromkeys(names, ""))
    if fits:
        assert len(rows(folder)) == uses + 2
        return
    with pytest.raises(UsageError, match="more than 128 capabilities"):
        rows(folder)


def test_cycle_of_calls_is_refused(tmp_path: Path) -> None:
    folder = application(tmp_path, a='[uses]\nb = ["call"]', b='[uses]\na = ["call"]')
    with pytest.raises(UsageError, match="a calls b, b calls a"):
        rows(folder)


@pytest.mark.parametrize(("slots", "fits"), [(0, True), (1, False)])
def test_cycle_through_what_a_call_may_grant_is_refused(
    tmp_path: Path, slots: int, fits: bool
) -> None:
    folder = application(
        tmp_path,
        broker='[uses]\nfiles = ["call", "grant"]\nlogger = ["call"]',
        files='[uses]\nlogger = ["call"]',
        logger=f"slots = {slots}",
    )
    if fits:
        assert len(rows(folder)) == 4
        return
    with pytest.raises(UsageError, match="logger may be granted a call of files"):
        rows(folder)
