"""Ports: the words that name one, and what each failure to open tells a person."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from free_ports import HERE, free_port

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.link import serial_port
from bulkhead_host.link.ports import Address, UsbPort, find_address, open_port
from bulkhead_host.link.serial_port import open_serial
from bulkhead_host.link.transport import LinkLost

PICO = UsbPort(device="/dev/ttyACM0", serial_number="e66058388357392e", is_micropython=True)
OTHER_PICO = UsbPort(device="/dev/ttyACM1", serial_number="e6605838", is_micropython=True)
BRIDGE = UsbPort(device="/dev/ttyUSB0", serial_number="", is_micropython=False)
SECOND_BRIDGE = UsbPort(device="/dev/ttyUSB1", serial_number="", is_micropython=False)


@contextmanager
def pseudo_terminal() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)


def find(name: str, *ports: UsbPort) -> Address:
    return find_address(name, list_usb=lambda: ports)


@pytest.mark.parametrize("ports", [(PICO,), (PICO, BRIDGE), (BRIDGE, SECOND_BRIDGE, PICO)])
def test_auto_is_the_only_micropython_board(ports: tuple[UsbPort, ...]) -> None:
    assert find("auto", *ports) == Address(url=PICO.device, serial_number=PICO.serial_number)


def test_auto_takes_the_only_usb_port_where_none_is_micropythons_own() -> None:
    assert find("auto", BRIDGE) == Address(url="/dev/ttyUSB0")


def test_auto_without_a_board_says_how_to_have_one() -> None:
    with pytest.raises(DeviceNotFound) as caught:
        find("auto")
    assert "bulkhead sim" in caught.value.next_step


def test_auto_with_several_boards_lists_them_as_options() -> None:
    with pytest.raises(DeviceNotFound) as caught:
        find("auto", PICO, OTHER_PICO)
    assert "--port id:e66058388357392e (/dev/ttyACM0)" in caught.value.next_step
    assert "--port id:e6605838 (/dev/ttyACM1)" in caught.value.next_step
    with pytest.raises(DeviceNotFound) as caught:
        find("auto", BRIDGE, SECOND_BRIDGE)
    assert caught.value.next_step == "--port /dev/ttyUSB0 or --port /dev/ttyUSB1"


def test_a_board_is_found_by_its_serial_number() -> None:
    assert find("id:e6605838", PICO, OTHER_PICO).url == "/dev/ttyACM1"
    with pytest.raises(DeviceNotFound) as caught:
        find("id:123", PICO)
    assert "id:e66058388357392e" in caught.value.next_step


@pytest.mark.parametrize(
    ("word", "device"), [("a0", "/dev/ttyACM0"), ("u3", "/dev/ttyUSB3"), ("c1", "COM1")]
)
def test_shortcuts_are_mpremotes(word: str, device: str) -> None:
    port = UsbPort(device=device, serial_number="7", is_micropython=True)
    assert find(word, port) == Address(url=device, serial_number="7")


def test_a_device_keeps_its_serial_number_to_be_found_again() -> None:
    expected = Address(url="/dev/ttyACM0", serial_number=PICO.serial_number)
    assert find("/dev/ttyACM0", PICO) == find("port:/dev/ttyACM0", PICO) == expected


def test_a_missing_device_is_not_found_and_says_what_there_is() -> None:
    with pytest.raises(DeviceNotFound) as caught:
        find("/dev/nowhere", PICO)
    assert "id:e66058388357392e" in caught.value.next_step
    with pytest.raises(DeviceNotFound) as caught:
        find("a3")
    assert "bulkhead sim" in caught.value.next_step


@pytest.mark.parametrize("name", ["", "socket://", "socket://host", "socket://host:x"])
def test_what_cannot_name_a_port_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError):
        find(name)


def test_an_unknown_scheme_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="carrier"):
        open_port("carrier://pigeon")


def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(UsageError, match="no serial port"):
        open_port(str(file))


def test_a_pseudo_terminal_carries_bytes_both_ways_and_opening_sends_none() -> None:
    with pseudo_terminal() as (master, path):
        transport = open_port(path)
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 100)
        transport.write(b"\x1ehello\n")
        assert os.read(master, 100) == b"\x1ehello\n"
        os.write(master, b"\x00\x03\r\n\xff")
        assert transport.read(1) == b"\x00\x03\r\n\xff"
        assert transport.read(0) == b""
        transport.close()
        transport.close()


def test_a_second_opening_is_refused_as_busy() -> None:
    with pseudo_terminal() as (_, path):
        transport = open_port(path)
        with pytest.raises(DeviceBusy, match="in use"):
            open_port(path)
        transport.close()
        open_port(path).close()


def test_a_device_that_may_not_be_opened_is_busy_with_a_hint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(url: str, **_options: object) -> serial.Serial:
        try:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), url)
        except OSError as error:
            raise serial.SerialException(error.errno, f"could not open port {url}") from error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(DeviceBusy) as caught:
        open_serial("/dev/ttyACM0")
    assert "sudo usermod -aG" in caught.value.next_step
    assert "udev" in caught.value.next_step


def test_a_hang_up_is_the_loss_of_the_line() -> None:
    with pseudo_terminal() as (_, path):
        transport = open_port(path)
    with pytest.raises(LinkLost):
        transport.read(1)
    with pytest.raises(LinkLost):
        transport.write(b"x" * 10)
    transport.close()


def test_a_board_that_takes_nothing_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "_WRITE_TIMEOUT_S", 0.1)
    with pseudo_terminal() as (_, path):
        transport = open_port(path)
        with pytest.raises(DeviceTimeout, match="takes no input"):
            transport.write(b"x" * 100_000)
        transport.close()


@contextmanager
def listener() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"socket://127.0.0.1:{server.getsockname()[1]}"


def test_a_socket_carries_bytes_both_ways() -> None:
    with listener() as (server, url):
        transport = open_port(url)
        connection, _ = server.accept()
        with connection:
            transport.write(b"question")
            assert connection.recv(100) == b"question"
            connection.sendall(b"answer" * 100)
            assert transport.read(1) == b"answer" * 100
        with pytest.raises(LinkLost):
            transport.read(1)
        transport.close()


def test_a_socket_that_hangs_up_at_once_is_busy() -> None:
    with listener() as (server, url):
        thread = threading.Thread(target=_hang_up, args=(server,))
        thread.start()
        transport = open_port(url)
        thread.join()
        with pytest.raises(DeviceBusy, match="hung up"):
            transport.read(1)
        transport.close()


def _hang_up(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.close()


def test_a_socket_where_nobody_listens_is_not_found() -> None:
    with pytest.raises(DeviceNotFound) as caught:
        open_port(f"socket://{HERE}:{free_port()}")
    assert "refused" in caught.value.cause
    assert "bulkhead sim --tcp" in caught.value.next_step


def test_a_url_without_a_descriptor_is_read_by_polling() -> None:
    transport = open_port("loop://")
    assert transport.read(0.02) == b""
    transport.write(b"echo")
    assert transport.read(1) == b"echo"
    transport.close()


def test_every_failure_says_what_to_do() -> None:
    for name in ("/dev/nowhere", "id:x", "socket://127.0.0.1:1", "/dev/null", "", "x://y"):
        with pytest.raises(BulkheadError) as caught:
            open_port(name)
        assert caught.value.next_step, name
