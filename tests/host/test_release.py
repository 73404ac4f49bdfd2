"""What a release is described by: the sums are those of the files, and nothing else is in it."""

import hashlib
import json
from pathlib import Path

import pytest

from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.release import MANIFEST, SUMS, Artefact, built_here, describe, release
from bulkhead_host.system.boards import board_named


def test_every_board_whose_image_is_built_is_in_it() -> None:
    assert "pico" in built_here()
    assert not [name for name in built_here() if board_named(name).image.why_not]


def test_a_manifest_and_the_sums_say_the_same_of_each_file(tmp_path: Path) -> None:
    artefacts = []
    for name in ("b.uf2", "a.whl"):
        (tmp_path / name).write_bytes(name.encode())
        artefacts.append(Artefact(name=name, kind="image", about={"board": name}))
    describe(tmp_path, artefacts)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    describe(tmp_path, artefacts[::-1])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    manifest = json.loads(first[MANIFEST])
    assert [one["name"] for one in manifest["artefacts"]] == ["a.whl", "b.uf2"]
    assert manifest["sources"]["micropython"]
    sums = dict(line.split("  ")[::-1] for line in first[SUMS].decode().splitlines())
    assert set(sums) == {"a.whl", "b.uf2", MANIFEST}
    for name, wanted in sums.items():
        assert hashlib.sha256(first[name]).hexdigest() == wanted
    for one in manifest["artefacts"]:
        assert (one["sha256"], one["bytes"]) == (sums[one["name"]], len(first[one["name"]]))


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BulkheadError, match="not empty: mine"):
        release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
