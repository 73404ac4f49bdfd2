"""The changes to MicroPython's sources: made in a copy, and refused where they do not fit."""

from pathlib import Path

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.hardening import CHANGES, hardened, put_into_ram


def _tree(folder: Path, *, times: int = 1) -> Path:
    for change in CHANGES:
        path = folder / change.path
        path.parent.mkdir(parents=True, exist_ok=True)
        known = path.read_text() if path.exists() else ""
        missing = change.times - known.count(change.before)
        path.write_text(known + f"{change.before}\n" * max(missing, 0) * times)
    (folder / "README.md").write_text("left alone\n")
    return folder


def test_a_copy_is_changed_and_the_cached_tree_is_not(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree")
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    copy = hardened(tree, tmp_path / "copy")
    assert {path: path.read_bytes() for path in before} == before
    assert (copy / "README.md").read_text() == "left alone\n"
    assert "case 'O'" not in (copy / "py/binary.c").read_text()
    assert "__globals__" not in (copy / "py/objfun.c").read_text()


def test_what_a_board_adds_is_in_the_copy_alone(tmp_path: Path) -> None:
    tree, library = _tree(tmp_path / "tree"), tmp_path / "library"
    (library / "src").mkdir(parents=True)
    (library / "src" / "tcp.c").write_text("added\n")
    copy = hardened(tree, tmp_path / "copy", changes=(), additions={"lib/lwip": library})
    assert (copy / "lib" / "lwip" / "src" / "tcp.c").read_text() == "added\n"
    assert (copy / "py/binary.c").read_text() == (tree / "py/binary.c").read_text()
    assert not (tree / "lib" / "lwip").exists()


@pytest.mark.parametrize("chip", ["rp2040", "rp2350"])
def test_code_goes_into_ram_by_the_names_that_objects_have(tmp_path: Path, chip: str) -> None:
    script = tmp_path / "tree" / "ports" / "rp2" / f"memmap_mp_{chip}.ld"
    script.parent.mkdir(parents=True)
    script.write_text("*(EXCLUDE_FILE(*libm.a: *gc.c.obj *vm.c.obj *parse.c.obj) .text*)\n")
    assert put_into_ram((), chip=chip) == ()
    changes = put_into_ram(("py/vm.c", "py/gc.c"), chip=chip)
    copy = hardened(tmp_path / "tree", tmp_path / "copy", changes=changes)
    assert (copy / "ports/rp2" / script.name).read_text() == (
        "*(EXCLUDE_FILE(*libm.a: *micropython/py/vm.c.o *micropython/py/gc.c.o) .text*)\n"
    )


def test_another_micropython_stops_the_build_and_leaves_nothing(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree")
    (tree / "py/binary.c").write_text("of another version\n")
    with pytest.raises(BulkheadError, match=r"py/binary.c is not what this version"):
        hardened(tree, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
