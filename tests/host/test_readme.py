"""The READMEs: a page for each folder, with links that lead somewhere and tables that are true.

What the commands of the top one print is compared by `device/test_readme.py`.
"""

import ast
import re
from pathlib import Path

import pytest

from bulkhead_host.checks.files import tree_files
from bulkhead_host.cli import COMMANDS
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system
from docs import stage

ROOT = source_root()
# Pages of the site that `make docs` makes of the tree; pages beside them link to them.
GENERATED = {ROOT / stage.PAGES / place for place in stage.GENERATED}
_KERNEL_SIDE = (("firmware", "kernel"), ("firmware", "guard"), ("firmware", "port"))
PAGES = [file for file in tree_files(ROOT) if file.suffix == ".md"]


def _text(page: Path) -> str:
    return (ROOT / page).read_text()


def test_every_folder_at_the_top_has_a_page() -> None:
    folders = {file.parts[0] for file in tree_files(ROOT) if len(file.parts) > 1}
    visible = {name for name in folders if not name.startswith(".")}
    assert {name for name in visible if Path(name, "README.md") not in PAGES} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_a_file_and_its_heading(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", _text(page)):
        path = (ROOT / page.parent / target) if target else ROOT / page
        if path.resolve() in GENERATED:
            continue
        assert path.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_make_and_bulkhead_are_called_by_names_that_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", _text(Path("Makefile")), re.MULTILINE))
    for quoted in re.findall(r"`([^`\n]+)`", _text(page)):
        make = re.match(r"make ([a-z-]+)", quoted)
        assert make is None or make[1] in targets, quoted
        command = re.match(r"bulkhead ([a-z-]+)", quoted)
        assert command is None or command[1] in COMMANDS, quoted


def test_the_services_page_lists_the_application_that_ships() -> None:
    shown = re.findall(r"^\| (\w+) \| (\d) \|", _text(Path("services/README.md")), re.MULTILINE)
    application, _ = load_system(ROOT / "services")
    assert dict(shown) == {row.name: str(row.priority) for row in application.services}


def test_the_firmware_page_names_functions_that_exist() -> None:
    known: dict[str, set[str]] = {}
    for file in tree_files(ROOT):
        if file.suffix == ".py" and file.parts[:-1] in _KERNEL_SIDE:
            for node in ast.walk(ast.parse(_text(file))):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    known.setdefault(file.stem, set()).add(node.name)
    named = re.findall(r"`([a-z]\w+)\.(\w+)`", _text(Path("firmware/README.md")))
    wrong = [(module, name) for module, name in named if name not in known.get(module, {name})]
    assert named and not [each for each in wrong if each[1] != "py" and each[0] != "rp2"]
