"""A test whose board went away is run on another board; one that failed is not run again."""

from collections.abc import Callable

import pytest
from _pytest.runner import runtestprotocol

from bulkhead_host.errors import BulkheadError, DeviceNotFound


def is_of_the_farm(when: str, error: BaseException | None) -> bool:
    """Tell whether an error is the farm's: a line that is gone, or a board that never answered.

    A board that stops answering in a test, its port still there, has failed that test.
    """
    if when == "call":
        return isinstance(error, DeviceNotFound)
    return when == "setup" and isinstance(error, BulkheadError)


def run_on_what_is_left(
    item: pytest.Item, nextitem: pytest.Item | None, *, is_to_repeat: Callable[[], bool]
) -> None:
    """Run a test until its board stayed, and report the last run alone."""
    where = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**where)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    while is_to_repeat():
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(**where)
