"""Drivers as they are published, over `Bus`, `Spi` and `Pin`, on MicroPython's unix port.

A task of a few lines makes their calls to chips that are registers. What the services do with the
same calls is shown on the board (`device/test_third_party.py`, `device/test_drivers.py`).
"""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from bulkhead_host.paths import source_root

PROGRAMS = Path(__file__).parents[1] / "cases" / "vendored"
DRIVERS = ("micropython_lis3dh", "micropython_mcp9808", "micropython_sht20", "micropython_sht4x",
           "micropython_shtc3", "micropython_tmp117", "micropython_bmp581", "max7219", "ahtx0",
           "tcs34725", "micropython_pca9685", "micropython_bma400",
           "rpi_lcd_i2c_micropython")  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("[a-z]*.py")))
def test_a_driver_works_as_it_is_published(
    name: str, micropython: Path, folded_firmware: Path
) -> None:
    root = source_root()
    path = [str(folded_firmware), str(root), str(PROGRAMS), *_folders(), ".frozen"]
    done = subprocess.run(
        [micropython, str(PROGRAMS / f"{name}.py")],
        env={"MICROPYPATH": ":".join(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["passed"], ""), done


def _folders() -> list[str]:
    """Return the folders that the installed drivers are in."""
    found = []
    for name in DRIVERS:
        spec = find_spec(name)
        assert spec is not None, f"pip install {name}"
        assert spec.origin is not None
        is_package = Path(spec.origin).name == "__init__.py"
        found.append(str(Path(spec.origin).parents[is_package]))
    return sorted(set(found))
