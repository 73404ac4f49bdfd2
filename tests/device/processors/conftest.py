"""Processors that no board here has, emulated by QEMU: `make test-qemu`."""

from collections.abc import Iterator

import pytest

from bulkhead_host.image.qemu import PROCESSORS
from bulkhead_host.qualify.processors import Stand


@pytest.fixture(scope="package", params=PROCESSORS)
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Yield each processor with its firmware."""
    with Stand(PROCESSORS[request.param]) as made:
        yield made
