"""A desk for the host ring: a fake board behind a pseudo-terminal."""

from collections.abc import Iterator

import pytest
from desk import Desk
from fake_board import FakeBoard, served


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Yield a fake board that is served."""
    board = FakeBoard()
    with served(board) as port:
        yield Desk(board, port)
