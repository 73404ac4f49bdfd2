"""The serial port: no byte is lost at 115,200 baud beside a service that spins."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulkhead_host.bench.serial import APPLICATION, lost_bytes
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.serial_peer import SerialPeer
from bulkhead_host.paths import source_root


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was lost, what the board sent back, and what its listener logged."""

    lost: int
    answer: bytes
    said: dict[str, str]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    image = tmp_path_factory.mktemp("image") / "serial.uf2"
    build(BuildOptions(application=source_root() / Path(APPLICATION), output=image))
    with EmulatedBoard(image=image) as board:
        peer = SerialPeer(board)
        lost, log = lost_bytes(board, peer)
        log += board.run_until(b"all done", timeout_ms=5000).decode()
        said = dict(re.findall(r"listener: ([^:\r]*): ([^\r]*)", log))
        yield Heard(lost=lost, answer=bytes(peer.got), said=said)


def test_a_reader_that_gets_nothing_is_told_in_time(heard: Heard) -> None:
    assert heard.said["silence"] == "b'', listening"


def test_no_byte_is_lost_beside_a_spinning_service(heard: Heard) -> None:
    assert heard.lost == 0
    assert heard.said["received"] == "4000 bytes, 0 wrong"


def test_what_is_written_is_sent(heard: Heard) -> None:
    assert heard.said["sent"] == "0 9"
    assert heard.answer == b"thank you"


def test_a_read_is_bounded(heard: Heard) -> None:
    assert heard.said["too many"] == "191, all done"
