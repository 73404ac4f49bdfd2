"""The build's cache: what is old and many goes, what a run may still hold stays."""

import os
import time
from pathlib import Path

from bulkhead_host.image.cache import IN_USE_S, keep_newest


def entry(folder: Path, name: str, *, age_s: float) -> Path:
    """Make an entry that was last used so long ago."""
    made = folder / name
    made.mkdir()
    used_s = time.time() - age_s
    os.utime(made, (used_s, used_s))
    return made


def test_old_entries_above_the_count_are_removed(tmp_path: Path) -> None:
    for age in range(4):
        entry(tmp_path, f"old{age}", age_s=2 * IN_USE_S + age)
    keep_newest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old0", "old1"]


def test_an_entry_that_another_run_may_hold_stays(tmp_path: Path) -> None:
    for number in range(4):
        entry(tmp_path, f"new{number}", age_s=IN_USE_S / 2)
    keep_newest(tmp_path, 1)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_link_to_what_is_gone_is_an_entry_like_others(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    entry(tmp_path, "old", age_s=2 * IN_USE_S)
    keep_newest(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
