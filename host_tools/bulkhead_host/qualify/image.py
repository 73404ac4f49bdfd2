"""An image with kernel, port, cases and attacks frozen in, and no application."""

from pathlib import Path

from bulkhead_host.image.application import library_modules, port_modules
from bulkhead_host.image.build import build_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.frozen import stock_modules
from bulkhead_host.paths import source_root
from bulkhead_host.qualify.cases import CASES, ON_MICROPYTHON
from bulkhead_host.system.fold import fold_tree


def cases_image(progress: Progress = quiet) -> Path:
    """Return the image, which has been built."""
    # No case drives a chip; without the drivers that images have the attacks fit beside the files.
    drivers: dict[str, Path | bytes] = dict.fromkeys(stock_modules(), b"")
    files = cases_files("rp2", ON_MICROPYTHON)
    return build_image(files={**drivers, **files}, progress=progress).path


def cases_files(port: str, cases: tuple[str, ...]) -> dict[str, bytes]:
    """Return what is frozen in for cases on a port: path on the board to folded source."""
    firmware = source_root() / "firmware"
    sources: dict[str, Path] = {
        f"{package}/{path.name}": path
        for package in ("kernel", "plan", "guard")
        for path in (firmware / package).glob("*.py")
    }
    sources |= {**library_modules(), **port_modules(port)}
    sources["port/soft.py"] = firmware / "port" / "soft.py"
    for name in ("__init__", "pins", "ports", "rig", "run", *cases):
        sources[f"cases/{name}.py"] = CASES / f"{name}.py"
    for path in (CASES.parent / "attacks").glob("*.py"):
        sources[f"attacks/{path.name}"] = path
    return fold_tree(sources, firmware)
