"""The ports of a served board, and the pace that keeps its time to the wall clock's."""

import os
import socket
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
import serial

from bulkhead_host.emulator.chip import Chip, ResetCause
from bulkhead_host.emulator.pace import LAG_MAX_NS, Pacer
from bulkhead_host.emulator.ports import (
    BACKLOG_BYTES_MAX,
    STALLED_AFTER_S,
    Outbox,
    PtyPort,
    TcpPort,
)
from bulkhead_host.errors import BulkheadError, DeviceBusy, UsageError


def test_device_time_is_never_ahead_of_the_wall_and_lost_time_is_lost() -> None:
    wall_s = 100.0
    chip = Chip()
    chip.flash[:256] = bytes(256)  # the CRC of nothing: the chip waits in its bootloader
    chip.reset(ResetCause.POWER_ON)
    pacer = Pacer(chip, now=lambda: wall_s)
    assert pacer.allowed_ns() == 0
    wall_s += 0.030
    assert pacer.allowed_ns() == pytest.approx(30e6)
    chip.advance(30e6)
    wall_s += 2.0
    assert pacer.allowed_ns() == pytest.approx(30e6 + LAG_MAX_NS)
    assert pacer.lost_ns == pytest.approx(1.95e9)
    chip.advance(80e6)
    wall_s += 0.001
    assert pacer.allowed_ns() == pytest.approx(81e6)


def test_a_pseudo_terminal_sees_clients_come_and_go(tmp_path: Path) -> None:
    port = PtyPort(link=tmp_path / "link")
    assert not port.update()
    for _ in range(3):
        with serial.Serial(port.name, timeout=1) as client:
            assert port.update()
            client.write(b"to the board\x03\r\n")
            client.flush()
            assert port.read() == b"to the board\x03\r\n"
            assert port.write(b"to the client\r\n") == 15
            assert client.read(15) == b"to the client\r\n"
        assert not port.update()
    port.close()
    assert not (tmp_path / "link").is_symlink()


def test_a_new_client_does_not_get_what_the_last_one_left_unread() -> None:
    port = PtyPort()
    with serial.Serial(port.name, timeout=0.2):
        assert port.update()
        port.write(b"stale")
    assert not port.update()
    with serial.Serial(port.name, timeout=0.2) as client:
        assert port.update()
        port.write(b"fresh")
        assert client.read(100) == b"fresh"
    port.close()


def test_a_link_replaces_a_stale_link_and_nothing_else(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/nowhere")
    port = PtyPort(link=link)
    assert stat.S_ISCHR(link.stat().st_mode)
    port.close()
    link.write_text("a file")
    with pytest.raises(UsageError, match="is no symbolic link"):
        PtyPort(link=link)
    assert link.read_text() == "a file"


def test_a_system_without_pseudo_terminals_is_told_of_tcp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(2, "out of pty devices")

    monkeypatch.setattr(os, "openpty", none_left)
    with pytest.raises(BulkheadError, match="no pseudo-terminal") as caught:
        PtyPort()
    assert "--tcp" in caught.value.next_step


def test_a_tcp_port_in_use_is_busy() -> None:
    port = TcpPort(port=0)
    number = int(port.name.rpartition(":")[2])
    with pytest.raises(DeviceBusy, match=f"cannot serve 127.0.0.1:{number}"):
        TcpPort(port=number)
    port.close()


@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\n\r\n\x03", b"GET /", b"\x16\x03\x01\x02"])
def test_a_browser_reaches_no_board(sent: bytes) -> None:
    port = TcpPort(port=0)
    address = ("127.0.0.1", int(port.name.rpartition(":")[2]))

    def heard() -> bytes:
        while port.update():
            if data := port.read():
                return data
        return b""

    with closing(port), socket.create_connection(address) as browser:
        browser.sendall(sent)
        while not port.update():
            pass
        assert heard() == b""
        with socket.create_connection(address) as tool:
            for typed in (b"\x03", sent):  # which a tool may send later
                tool.sendall(typed)
                while not port.update():
                    pass
                assert heard() == typed


def test_a_tcp_port_carries_one_client_after_another() -> None:
    port = TcpPort(port=0)
    address = ("127.0.0.1", int(port.name.rpartition(":")[2]))
    for _ in range(2):
        assert not port.update()
        with socket.create_connection(address, timeout=1) as client:
            assert port.update()
            client.sendall(b"in")
            assert port.read() == b"in"
            assert port.write(b"out") == 3
            assert client.recv(10) == b"out"
        assert port.read() == b""
    assert port.write(b"nobody") == 0
    port.close()


class StuckPort:
    """A port whose client takes a number of bytes and then none."""

    name = "stuck"

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def update(self) -> bool:
        """Say that the client is there."""
        return True

    def waitable(self) -> list[int]:
        """Have nothing to wait for."""
        return []

    def read(self) -> bytes:
        """Get nothing from the client."""
        return b""

    def write(self, data: bytes) -> int:
        """Take what there is room for."""
        taken = min(len(data), self.capacity)
        self.capacity -= taken
        return taken

    def close(self) -> None:
        """Do nothing."""


def test_a_slow_client_is_waited_for_and_a_stuck_one_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 10.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    port = StuckPort(100)
    outbox = Outbox(port)
    outbox.put(bytes(BACKLOG_BYTES_MAX + 150))
    outbox.flush()
    assert outbox.must_wait
    now_s += STALLED_AFTER_S
    outbox.flush()
    assert outbox.must_wait
    assert outbox.dropped_bytes == 0
    now_s += 0.01
    outbox.flush()
    assert not outbox.must_wait
    assert outbox.dropped_bytes == 50
    outbox.discard()
    port.capacity = 10
    outbox.put(b"fresh")
    outbox.flush()
    assert port.capacity == 5
