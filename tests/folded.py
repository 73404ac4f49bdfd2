"""The firmware as boards have it, for MicroPython's unix port."""

from pathlib import Path

from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import fold_tree


def fold_firmware(folder: Path) -> Path:
    """Write kernel, port and user library into a folder, constants folded in; return it."""
    firmware = source_root() / "firmware"
    files = {
        f"{package}/{path.name}": path
        for package in ("kernel", "port", "plan", "guard", "bulkhead")
        for path in (firmware / package).glob("*.py")
        if path.name != "sim.py"
    }
    for name, content in fold_tree(files, firmware).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
