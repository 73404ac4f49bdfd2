"""`bulkhead check` on services of other boards: what can be named, and what the board is told."""

import shutil
from pathlib import Path

import pytest

from bulkhead_host.system.examine import examine, load_system
from bulkhead_host.system.generate import system_source

APPLICATION = Path(__file__).parents[1] / "cases" / "far_app"
SHIPS = '"garden:soil" = ["call"]'


def with_use(folder: Path, use: str) -> Path:
    """Write the application with another line in place of one of the cook's."""
    shutil.copytree(APPLICATION, folder, dirs_exist_ok=True)
    manifest = folder / "cook" / "service.toml"
    manifest.write_text(manifest.read_text().replace(SHIPS, use))
    code = folder / "cook" / "service.py"
    code.write_text(code.read_text().replace("garden:soil", use.split('"')[1]))
    return folder


def test_each_capability_has_a_badge_of_its_own_and_reaches_far() -> None:
    space: dict[str, object] = {}
    exec(system_source(*load_system(APPLICATION)), space)
    assert space["FAR"] == (("garden", "soil"), ("garden", "nobody"))
    rows = {row[0]: row[5] for row in space["SERVICES"]}  # type: ignore[attr-defined]
    assert rows["cook"] == (("garden:soil", "far", 1, 256), ("garden:nobody", "far", 1, 257))


@pytest.mark.parametrize(
    ("use", "text"),
    [
        ('"garden:soil" = ["send"]', "garden:soil can be called, and nothing else"),
        ('"garden:soil" = ["call", "grant"]', "garden:soil can be called, and nothing else"),
        ('"gar den:soil" = ["call"]', "'gar den:soil' names no service of a board"),
        ('"garden:" = ["call"]', "'garden:' names no service of a board"),
        ('":soil" = ["call"]', "':soil' names no service of a board"),
    ],
)
def test_what_cannot_be_named_is_refused(tmp_path: Path, use: str, text: str) -> None:
    assert text in [one.text for one in examine(with_use(tmp_path / "app", use)).errors]


def test_who_names_another_board_without_far_is_told(tmp_path: Path) -> None:
    folder = with_use(tmp_path / "app", SHIPS)
    system = folder / "system.toml"
    system.write_text(system.read_text().replace('"far", ', ""))
    texts = [one.text for one in examine(folder).errors]
    assert "cook uses far, which is not in the system" in texts
