"""How pytest-xdist shares tests out where some belong to a port, for one process alone."""

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class PortScheduling(LoadScopeScheduling):
    """Gives all tests of a port to one worker, and the others out one by one."""

    def __init__(self, config: pytest.Config, log: Any, ports: Sequence[str]) -> None:
        super().__init__(config, log)
        self._ports = ports

    def _split_scope(self, nodeid: str) -> str:
        """Return what must stay together with a test: its port, or itself alone."""
        parameters = f"-{nodeid.partition('[')[2].removesuffix(']')}-"
        return next((port for port in self._ports if f"-{port}-" in parameters), nodeid)
