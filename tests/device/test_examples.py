"""The example applications: what their READMEs show happens, in copies of their folders."""

import shutil
from pathlib import Path

import pytest
from pages import run_page
from readme import Shell, blocks, differences, sessions

from bulkhead_host.paths import source_root

READMES = sorted((source_root() / "services" / "examples").glob("*/README.md"))


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.parent.name)
def test_the_readme_of_an_example_shows_what_happens(readme: Path, tmp_path: Path) -> None:
    folder = tmp_path / readme.parent.name
    shutil.copytree(readme.parent, folder, ignore=shutil.ignore_patterns("build", ".*", "__*"))
    shell = Shell(folder)
    for block in blocks(readme):
        for command, shown in sessions(block):
            seen = shell.run(command)
            assert differences(shown, seen) == [], "\n".join([command, *seen])
    shell.close()


def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    page = source_root() / "host_tools" / "docs" / "pages" / "tutorial" / "index.md"
    assert run_page(page.read_text(encoding="utf-8"), tmp_path) == []
