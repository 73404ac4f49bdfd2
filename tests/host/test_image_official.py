"""Official images: what is accepted, what is made beside them, and putting that on a board."""

import ast
import hashlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import serial
from desk import WAIT_S

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound, UsageError
from bulkhead_host.image.build import stock_image
from bulkhead_host.image.deploy import TOOLS, deploy
from bulkhead_host.image.official import OfficialImage, official_image
from bulkhead_host.image.prelude import with_prelude

MPY_VERSION = 6
MODULES = ("bulkhead_system.mpy", "kernel/__init__.mpy", "bulkhead/core.mpy")
FILES: dict[str, Path | bytes] = {
    "kernel/__init__.py": b"",
    "bulkhead/core.py": b"@micropython.viper\ndef wrap(n: int) -> int:\n    return n + n\n",
    "main.py": b"from bulkhead.core import wrap\nprint('wrapped', wrap(0x7fffffff))\n",
    "boot.py": b"BOOTED = True\n",
    "bulkhead_system.py": b"SERVICES = ()\n",
}


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("downloads") / "RPI_PICO-v1.26.1.uf2"
    path.write_bytes(stock_image().path.read_bytes())
    return path


def with_version(image: Path, version: bytes) -> bytes:
    """Change every mention of the version in an image, block by block."""
    assert len(version) == len(b"v1.26.1")
    return image.read_bytes().replace(b"MicroPython v1.26.1", b"MicroPython " + version)


def make(given: str, tmp_path: Path) -> OfficialImage:
    return official_image(given, files=FILES, output=tmp_path / "out" / "bulkhead-pico.uf2")


def test_the_image_is_taken_as_it_is_with_the_modules_beside_it(
    downloaded: Path, tmp_path: Path
) -> None:
    made = make(str(downloaded), tmp_path)
    assert made.path.read_bytes() == downloaded.read_bytes()
    assert made.sha256 == hashlib.sha256(downloaded.read_bytes()).hexdigest()
    assert (made.micropython_version, made.hard_timers) == ("1.26.1", True)
    names = sorted(str(path.relative_to(made.modules)) for path in made.modules.rglob("*.*"))
    assert names == [
        "boot.py",
        "bulkhead/core.mpy",
        "bulkhead_system.mpy",
        "kernel/__init__.mpy",
        "main.py",
    ]
    magic, version = struct.unpack_from(
        "2B", (made.modules / "bulkhead" / "core.mpy").read_bytes()
    )
    assert (chr(magic), version) == ("M", MPY_VERSION)


def test_modules_of_an_earlier_run_do_not_stay(downloaded: Path, tmp_path: Path) -> None:
    stale = make(str(downloaded), tmp_path).modules / "services" / "old.mpy"
    stale.parent.mkdir()
    stale.touch()
    make(str(downloaded), tmp_path)
    assert not stale.parent.exists()


def test_an_image_before_the_hard_timers_is_taken_and_said_so(
    downloaded: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.uf2"
    older.write_bytes(with_version(downloaded, b"v1.25.0"))
    made = make(str(older), tmp_path)
    assert (made.micropython_version, made.hard_timers) == ("1.25.0", False)


def test_an_image_that_cannot_load_the_modules_is_refused(
    downloaded: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.uf2"
    old.write_bytes(with_version(downloaded, b"v1.22.2"))
    with pytest.raises(UsageError, match=r"1\.22\.2 is too old"):
        make(str(old), tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_image_without_micropython_is_refused(downloaded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.uf2"
    other.write_bytes(downloaded.read_bytes().replace(b"MicroPython v", b"Another one v"))
    with pytest.raises(UsageError, match="no MicroPython in it"):
        make(str(other), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_truncated_or_missing_file_is_refused(downloaded: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.uf2"
    short.write_bytes(downloaded.read_bytes()[:-1])
    with pytest.raises(UsageError, match="truncated"):
        make(str(short), tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        make(str(tmp_path / "nothing.uf2"), tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def site(downloaded: Path) -> Iterator[str]:
    """Serve the folder of the downloaded image on this machine, and give its URL."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(downloaded.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_url_is_downloaded_once(
    site: str, downloaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    for _ in range(2):
        made = official_image(
            f"{site}/{downloaded.name}",
            files=FILES,
            output=tmp_path / "out.uf2",
            progress=said.append,
        )
        assert made.path.read_bytes() == downloaded.read_bytes()
    assert said == [f"downloading {site}/{downloaded.name}"]


def test_a_url_that_serves_nothing_says_what_to_do(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BulkheadError, match="File not found") as failure:
        make(f"{site}/nothing.uf2", tmp_path)
    assert "--official FILE" in failure.value.next_step
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("via", TOOLS)
def test_the_modules_run_on_a_board_with_the_official_image(
    downloaded: Path, tmp_path: Path, via: str
) -> None:
    made = make(str(downloaded), tmp_path)
    with BoardServer(EmulatedBoard(image=made.path), PtyPort()) as server:
        done = deploy(server.port.name, made.modules, via, timeout_s=WAIT_S)
        assert set(done.copied) == {*MODULES, "boot.py", "main.py"}
        assert (done.copied[-1], done.removed, done.same) == ("main.py", (), 0)
        with serial.serial_for_url(server.port.name, timeout=WAIT_S) as console:
            console.write(b"\x04")  # a soft reset at the prompt runs main.py
            assert b"wrapped -2" in console.read_until(b"wrapped -2")
        again = deploy(server.port.name, made.modules, via, timeout_s=WAIT_S)
        assert (again.copied, again.removed, again.same) == ((), (), 5)
        (made.modules / "bulkhead" / "core.mpy").rename(made.modules / "bulkhead" / "heart.mpy")
        changed = deploy(server.port.name, made.modules, via, timeout_s=WAIT_S)
        assert (changed.copied, changed.removed) == (
            ("bulkhead/heart.mpy",),
            ("bulkhead/core.mpy",),
        )
        assert changed.same == 4


def test_modules_are_loaded_after_those_they_import() -> None:
    sources = {
        "main.py": b"from kernel.boot import build\n",
        "kernel/boot.py": b"from kernel import state\nimport port\n",
        "kernel/state.py": b"import kernel.abi\n",
        "kernel/abi.py": b"",
        "kernel/late.py": b"",
        "port.py": b"def f():\n    import kernel.late\n",
        "shared.py": b"",
        "services/led/service.py": b"import shared\nfrom services.led.api import SET\n",
        "services/led/api.py": b"",
    }
    made = with_prelude(sources).decode()
    names = ast.literal_eval(made[made.index("(") : made.index("):") + 1])
    assert names == ("kernel.abi", "kernel.state", "port", "kernel.boot", "shared")
    assert made.endswith(sources["main.py"].decode())


def test_deploying_to_no_board_says_so(downloaded: Path, tmp_path: Path) -> None:
    made = make(str(downloaded), tmp_path)
    for via in TOOLS:
        with pytest.raises(DeviceNotFound, match="/dev/nowhere"):
            deploy("/dev/nowhere", made.modules, via, timeout_s=30)


def test_deploying_to_a_port_in_use_says_so(downloaded: Path, tmp_path: Path) -> None:
    made = make(str(downloaded), tmp_path)
    with (
        BoardServer(EmulatedBoard(image=made.path), PtyPort()) as server,
        serial.Serial(server.port.name, exclusive=True),
        pytest.raises(DeviceBusy, match="in use by"),
    ):
        deploy(server.port.name, made.modules, timeout_s=30)
