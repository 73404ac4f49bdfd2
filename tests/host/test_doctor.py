"""The doctor: each finding, and the line that mends it."""

import os
from importlib import metadata
from pathlib import Path

import pytest
from fake_board import FakeBoard, served

from bulkhead_host.commands.doctor import doctor
from bulkhead_host.doctor import Check, board, machine
from bulkhead_host.image import packages
from bulkhead_host.link.ports import UsbPort


def test_a_finding_is_ok_missing_or_a_note() -> None:
    assert Check(name="x", is_ok=True, detail="").word == "ok"
    assert Check(name="x", is_ok=False, detail="").word == "missing"
    assert Check(name="x", is_ok=False, detail="", is_needed=False).word == "note"


def test_every_finding_on_this_machine_has_a_detail_and_what_is_missing_has_a_mend() -> None:
    for check in doctor():
        assert check.detail, check
        assert check.is_ok or all(check.mend), check


def test_python_below_the_oldest_supported_is_missing() -> None:
    assert machine.python((3, 11, 0)).is_ok
    old = machine.python((3, 10, 12))
    assert not old.is_ok
    assert "3.11" in old.mend[0]


def test_the_packages_installed_here_are_those_asked_for() -> None:
    assert machine.packages().is_ok


def test_a_package_of_another_version_or_none_is_told_by_name() -> None:
    def installed(name: str) -> str:
        if name == "rich":
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "click" else metadata.version(name)

    check = machine.packages(installed)
    assert not check.is_ok
    assert "rich is not installed" in check.detail
    assert "click is 0.0.1, not" in check.detail
    assert "pip install" in check.mend[0]


def test_a_cache_folder_that_cannot_be_made_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "cache"))
    assert machine.cache_folder().is_ok
    (tmp_path / "file").touch()
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "file" / "cache"))
    check = machine.cache_folder()
    assert not check.is_ok
    assert "BULKHEAD_CACHE" in check.mend[0]


def test_missing_compiler_packages_are_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "_is_root", lambda: False)
    check = machine.compiler(lambda: ["cmake", "ninja-build"])
    assert not check.is_ok
    assert "cmake ninja-build" in check.detail
    assert check.mend[0].startswith("sudo apt-get install")
    assert check.mend[0].endswith("cmake ninja-build")
    assert "--official" in check.mend[1]


def test_sources_in_the_cache_need_no_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    check = machine.sources()
    assert not check.is_ok
    assert "--official" in check.mend[0]
    tree = tmp_path / "sources" / "micropython-1"
    tree.mkdir(parents=True)
    (tree / "sources.json").touch()
    assert machine.sources().is_ok
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["sources"]


def test_a_system_without_pseudo_terminals_is_a_note() -> None:
    def open_pty() -> tuple[int, int]:
        raise FileNotFoundError(2, "out of pty devices")

    assert machine.pseudo_terminal().is_ok
    check = machine.pseudo_terminal(open_pty)
    assert check.word == "note"
    assert any("--tcp" in way for way in check.mend)


def test_serial_permission_comes_from_root_a_group_or_a_udev_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getgroups", lambda: [])
    monkeypatch.setattr(os, "getegid", lambda: 65534)
    assert board.serial_permission(is_needed=True, is_root=True).is_ok
    lacking = board.serial_permission(is_needed=True, is_root=False, rule_folders=[tmp_path])
    assert lacking.word == "missing"
    assert "usermod -aG dialout" in lacking.mend[0]
    assert "udevadm" in lacking.mend[1]
    assert not board.serial_permission(
        is_needed=False, is_root=False, rule_folders=[tmp_path]
    ).is_needed
    (tmp_path / "60-pico.rules").write_text(board.RULE)
    assert board.serial_permission(is_needed=True, is_root=False, rule_folders=[tmp_path]).is_ok
    (tmp_path / "60-pico.rules").unlink()
    monkeypatch.setattr(os, "getgroups", lambda: [_group_id("dialout")])
    assert "dialout" in board.serial_permission(is_needed=True, is_root=False).detail


def test_a_port_is_looked_at_up_to_the_first_thing_that_is_missing() -> None:
    checks = list(board.port_checks("/dev/nowhere"))
    assert [(check.name, check.is_ok) for check in checks] == [("port", False)]
    checks = list(board.port_checks("/dev/null"))
    assert [(check.name, check.is_ok) for check in checks] == [
        ("port", True),
        ("port opens", False),
    ]
    deaf = FakeBoard(is_deaf=True)
    with served(deaf) as port:
        checks = list(board.port_checks(port, timeout_s=0.1))
    assert [(check.name, check.is_ok) for check in checks] == [
        ("port", True),
        ("port opens", True),
        ("board answers", False),
    ]


def test_a_board_of_another_protocol_is_told_with_what_to_flash() -> None:
    with served(FakeBoard(abi=99)) as port:
        *_, check = board.port_checks(port)
    assert not check.is_ok
    assert "99" in check.detail
    assert "bulkhead flash" in check.mend[0]


def test_several_boards_without_a_choice_are_listed() -> None:
    ports = [
        UsbPort(device=f"/dev/ttyACM{number}", serial_number=str(number), is_micropython=True)
        for number in (1, 2)
    ]
    (check,) = board.port_checks("auto", list_usb=lambda: ports)
    assert "--port id:1" in check.mend[0]


def _group_id(name: str) -> int:
    import grp  # noqa: PLC0415  (absent on Windows)

    return grp.getgrnam(name).gr_gid
