"""The device key: where it is kept, and how it gets into an image."""

import stat
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator.flash import load_image
from bulkhead_host.errors import UsageError
from bulkhead_host.image.key_slot import key_source, uf2_with_key, with_key
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.image.uf2 import read_uf2
from bulkhead_host.link.key import KEY_BYTES, device_key, key_file
from bulkhead_host.paths import mpy_cross_program

KEY = bytes(range(100, 100 + KEY_BYTES))


def test_the_key_is_made_once_and_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_KEY", str(tmp_path / "new" / "device.key"))
    key = device_key()
    assert len(key) == KEY_BYTES
    assert any(key)
    assert device_key() == key
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    assert [path.name for path in key_file().parent.iterdir()] == ["device.key"]


def test_without_the_variable_the_key_is_in_the_users_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BULKHEAD_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert device_key() == bytes.fromhex((tmp_path / "bulkhead" / "device.key").read_text())


@pytest.mark.parametrize("text", ["", "12", "zz" * KEY_BYTES, "00" * (KEY_BYTES + 1)])
def test_a_file_that_holds_no_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "device.key"
    path.write_text(text)
    monkeypatch.setenv("BULKHEAD_KEY", str(path))
    with pytest.raises(UsageError, match="holds no device key"):
        device_key()
    assert path.read_text() == text


def test_a_compiled_module_takes_the_key(tmp_path: Path) -> None:
    source = key_source().encode()
    module = compile_module(
        source, "bulkhead_key.py", architecture="armv6m", mpy_cross=mpy_cross_program()
    )
    assert KEY in with_key(module, KEY)
    assert with_key(with_key(module, KEY), bytes(KEY_BYTES)) == module
    names: dict[str, object] = {}
    exec(source, names)
    assert names["KEY"] == bytes(KEY_BYTES)


def test_an_image_is_built_without_a_key_and_gets_it_when_it_is_installed(tmp_path: Path) -> None:
    path = build(BuildOptions(output=tmp_path / "image.uf2")).path
    built = path.read_bytes()
    keyed = uf2_with_key(built, KEY)
    assert len(keyed) == len(built)
    assert keyed != built
    assert read_uf2(keyed) == load_image(path, key=KEY)
    assert read_uf2(keyed).data.count(KEY) == 1
    assert uf2_with_key(keyed, bytes(KEY_BYTES)) == built


def test_what_has_no_place_for_a_key_is_left_as_it_is() -> None:
    assert with_key(b"MicroPython as it comes", KEY) == b"MicroPython as it comes"
