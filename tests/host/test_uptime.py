"""A board's uptime comes round after 12.4 days, and that is no reset; a reset is one."""

import pytest

from bulkhead_host.abi import UPTIME_MS_MODULUS
from bulkhead_host.link.services import gained_ms, is_another_run

DAY_MS = 86_400_000
BOOT_MS = 500


@pytest.mark.parametrize("before_ms", [0, 5000, 7 * DAY_MS, UPTIME_MS_MODULUS - 1000])
@pytest.mark.parametrize("passed_ms", [0, 1, 1000, 1001, DAY_MS])
def test_an_uptime_goes_on_where_it_comes_round(before_ms: int, passed_ms: int) -> None:
    after_ms = (before_ms + passed_ms) % UPTIME_MS_MODULUS
    assert gained_ms(before_ms, after_ms) == passed_ms
    assert not is_another_run(before_ms, after_ms, passed_ms, BOOT_MS)


@pytest.mark.parametrize("days", [0, 1, 5, 7, 9, 12])
@pytest.mark.parametrize("after_ms", [200, 900, 1500])
def test_a_reset_is_known_however_long_the_board_was_up(days: int, after_ms: int) -> None:
    assert is_another_run(10_000 + days * DAY_MS, after_ms, after_ms + BOOT_MS + 1, BOOT_MS)


def test_a_host_that_was_asleep_has_seen_no_reset() -> None:
    assert not is_another_run(DAY_MS, DAY_MS + 9 * 3_600_000, 1000, BOOT_MS)
