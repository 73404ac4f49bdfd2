"""How pytest-xdist shares out the tests of all rings, so that its workers end together."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Each test of these files stands alone and takes seconds: they fill up what is left at the end.
_APART = ("tests/model/test_worlds.py", "tests/model/test_kill_protocol.py")


class LongFirst(LoadFileScheduling):
    """Gives files out whole, in the order in which they were collected.

    xdist would begin with the files of the most tests: those are of the quick rings, and some file
    of minutes would be the last to begin, while all other workers have nothing left to do.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(_APART) else super()._split_scope(nodeid)
