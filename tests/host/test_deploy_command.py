"""`bulkhead deploy`: the modules of an application on a board with MicroPython's own image."""

from pathlib import Path

import pytest
from desk import WAIT_S, bulkhead

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.image.build import stock_image
from bulkhead_host.image.deploy import deploy
from bulkhead_host.link.key import device_key


def test_what_is_wrong_with_the_application_is_said_before_the_board_is_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "system.toml").write_text('[system]\nname = "x"\nboard = "pico"\nstart = ["y"]\n')
    done = bulkhead("deploy", str(tmp_path), port="/dev/nowhere")
    assert done.returncode == 2
    assert "there is no folder y with a service.toml" in done.stderr


def test_a_missing_board_is_exit_code_3() -> None:
    done = bulkhead("deploy", port="/dev/nowhere")
    assert (done.returncode, done.stdout) == (3, "")


def test_the_board_gets_the_users_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a port may be named from here, wherever the tool runs
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "bulkhead_key.mpy").write_bytes(b"bulkhead device key:" + bytes(32))
    with BoardServer(
        EmulatedBoard(image=stock_image().path), PtyPort(link=Path("port"))
    ) as server:
        done = deploy("port", modules, timeout_s=WAIT_S)
        assert done.copied == ("bulkhead_key.mpy",)
        flash = server.call(lambda board: bytes(board.chip.flash))
    assert device_key() in flash
