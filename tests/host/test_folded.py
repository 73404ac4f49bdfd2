"""What was folded before is read from the cache, and never in the place of something else."""

from pathlib import Path

import pytest

from bulkhead_host.image import folded
from bulkhead_host.image.folded import folded_tree
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import CONSTANT_MODULES, fold_tree

FIRMWARE = source_root() / "firmware"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Return a tree of one module, beside a cache of its own."""
    monkeypatch.setenv("BULKHEAD_CACHE", str(tmp_path / "cache"))
    service = tmp_path / "service.py"
    service.write_text("from kernel.abi import CALL\nx = CALL\n")
    return {"services/x/service.py": service}


def test_it_is_what_folding_makes_and_is_folded_once(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folded_tree(files, FIRMWARE)
    assert made == fold_tree(files, FIRMWARE, is_whole=True)
    monkeypatch.delattr(folded, "fold_tree")
    assert folded_tree(files, FIRMWARE) == made


@pytest.mark.parametrize("change", ["a source", "a name", "the constants", "the code that folds"])
def test_a_change_of_anything_folds_anew(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    firmware = tmp_path / "firmware"
    firmware.symlink_to(FIRMWARE)
    folded_tree(files, firmware)
    if change == "a source":
        files["services/x/service.py"].write_text("y = 1\n")
    elif change == "a name":
        files["services/y/service.py"] = files.pop("services/x/service.py")
    elif change == "the constants":
        firmware.unlink()
        for module in CONSTANT_MODULES:
            path = module.replace(".", "/") + ".py"
            text = (FIRMWARE / path).read_text()
            if module == "kernel.abi":
                text = text.replace("CALL = const(1 << 8)", "CALL = const(1 << 9)")
            (firmware / path).parent.mkdir(parents=True, exist_ok=True)
            (firmware / path).write_text(text)
    else:
        monkeypatch.setattr(folded, "_makers", lambda: "others")
    before = folded_count(tmp_path)
    assert folded_tree(files, firmware) == fold_tree(files, firmware, is_whole=True)
    assert folded_count(tmp_path) == before + 1


def test_a_cache_that_is_broken_or_cannot_be_written_costs_time_alone(
    files: dict[str, Path], tmp_path: Path
) -> None:
    made = folded_tree(files, FIRMWARE)
    (kept,) = (tmp_path / "cache" / "folded").glob("*/files")
    kept.write_bytes(kept.read_bytes().replace(b"256", b"257"))
    assert folded_tree(files, FIRMWARE) == made
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.touch()  # a file where the folder should be
    assert folded_tree(files, FIRMWARE) == made


def folded_count(tmp_path: Path) -> int:
    return len(list((tmp_path / "cache" / "folded").glob("*/files")))
