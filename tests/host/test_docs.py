"""The documents: what pages show happens, what there is is told, and sentences are short."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from pages import Listing, faults, listings, run_page

from bulkhead_host.cli import group
from bulkhead_host.errors import BulkheadError
from bulkhead_host.paths import source_root
from docs import commands, errors, keys, operations, schemas
from docs.sentences import mean_words, sentences, too_long
from docs.stage import GENERATED, PAGES, relinked, site_places, stage

FOLDER = source_root() / PAGES
LIBRARY = "firmware/bulkhead"
TUTORIAL = FOLDER / "tutorial" / "index.md"
OTHERS = [page for page in sorted(FOLDER.rglob("*.md")) if page != TUTORIAL]


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.relative_to(FOLDER).as_posix())
def test_what_a_page_shows_happens(page: Path, tmp_path: Path) -> None:
    assert run_page(page.read_text(encoding="utf-8"), tmp_path) == []


def test_what_the_tutorial_shows_without_a_board_happens(tmp_path: Path) -> None:
    page = TUTORIAL.read_text(encoding="utf-8")
    assert run_page(page, tmp_path, has_board=False) == []


@pytest.mark.parametrize(
    "listing",
    [
        ("python", "while True\n"),
        ("toml", "a = \n"),
        ("sh", "bulkhead ps --porf a0\n"),
        ("sh", "bulkhead fly\n"),
        ("brainfuck", "+"),
    ],
)
def test_a_listing_that_is_wrong_is_found(listing: tuple[str, str]) -> None:
    assert faults(Listing(kind=listing[0], file="", text=listing[1]))


def test_a_page_that_shows_what_does_not_happen_is_found(tmp_path: Path) -> None:
    page = "```console\n$ bulkhead new a\nmade b/system.toml\n```\n"
    assert run_page(page, tmp_path)


def test_pages_have_listings() -> None:
    assert sum(len(list(listings(page.read_text(encoding="utf-8")))) for page in OTHERS) > 30


# What there is, is told.


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that Sphinx would read."""
    return stage(tmp_path_factory.mktemp("docs"))


def test_every_page_is_made_and_every_link_leads_somewhere(staged: Path) -> None:
    made = {file.relative_to(staged).as_posix() for file in staged.rglob("*.md")}
    assert made == {*site_places(source_root()).values(), *GENERATED}


def test_every_command_is_in_the_reference(staged: Path) -> None:
    page = (staged / "reference" / "commands.md").read_text(encoding="utf-8")
    for name in group.list_commands(click.Context(group)):
        assert f"## bulkhead {name}\n" in page
    assert "--timeout-ms" in page


def test_every_module_of_the_library_is_in_the_reference() -> None:
    page = (FOLDER / "reference" / "library.md").read_text(encoding="utf-8")
    for file in (source_root() / LIBRARY).glob("[a-z]*.py"):
        assert f"automodule:: bulkhead.{file.stem}\n" in page


def test_every_module_of_the_library_loads_where_sphinx_reads_its_docstrings() -> None:
    modules = [f"bulkhead.{file.stem}" for file in (source_root() / LIBRARY).glob("[a-z]*.py")]
    lines = ("import importlib, runpy, sys", f"runpy.run_path({str(FOLDER / 'conf.py')!r})")
    program = "\n".join((*lines, "for name in sys.argv[1:]: importlib.import_module(name)"))
    command = [sys.executable, "-P", "-c", program, *modules]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_an_option_without_help_is_an_error() -> None:
    @click.group(help="A group.")
    def parser() -> None: ...

    @parser.command("ps", help="Lists.")
    @click.option("--port")
    def command() -> None: ...

    with pytest.raises(BulkheadError, match="port of bulkhead ps has no help"):
        commands.page(parser)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("GET = const(1)  # -> OK\n", "-> OK"),
        ("# arg: key -> OK\nGET = const(1)\n", "arg: key -> OK"),
        ("A = 1  # one\n# two -> OK\nGET = const(1)  # or NO\n", "two -> OK or NO"),
        ("\n# Both.\nA = const(2)\nGET = const(1)\n", "Both."),
        ("\n# The others.\nA = const(2)\nGET = const(1)  # -> OK\n", "-> OK"),
        ("GET = const(1)  # ->\n#     OK\n", "-> OK"),
    ],
)
def test_an_operation_is_explained_by_its_comments(source: str, words: str) -> None:
    found = {one.name: one.words for one in operations.constants(source)}
    assert found["GET"] == words


def test_an_operation_without_a_comment_is_an_error() -> None:
    with pytest.raises(BulkheadError, match="does not explain GET"):
        operations.section("store", "A = const(2)  # one\n\nGET = const(1)\n")


def test_a_key_without_a_meaning_and_a_meaning_without_its_key_are_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = keys.MEANINGS.read_text(encoding="utf-8")
    changed = tmp_path / "keys.toml"
    monkeypatch.setattr(keys, "MEANINGS", changed)
    changed.write_text(text.replace("slots =", "slods ="))
    with pytest.raises(BulkheadError, match="does not explain slots of service"):
        keys.page()
    changed.write_text(text.replace("slots =", 'slods = "x"\nslots ='))
    with pytest.raises(BulkheadError, match="explains slods"):
        keys.page()


def test_the_loader_says_what_is_right_for_a_key() -> None:
    service = keys.TABLES[0]
    assert keys.expected(service, "priority") == ("an integer from 0 to 7", True)
    assert keys.expected(service, "slots") == ("an integer from 0 to 64", False)


def test_errors_are_told_with_what_varies_as_dots(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "def f(x):\n    text = f'no {x}'\n"
        "    raise UsageError(text, 'add it')\n"
        "def g(report):\n    report.add(path, 1, 'it is 3', hint)\n"
    )
    found = list(errors.messages_of(file, {"UsageError"}))
    assert [(one.kind, one.cause, one.next_step) for one in found] == [
        ("UsageError", "no ...", "add it"),
        ("check", "it is 3", ""),
    ]


def test_what_is_read_in_code_is_told_among_the_errors() -> None:
    told = {one.cause for one in errors.messages() if one.kind == "check"}
    assert "... allocates, which a hard step must not" in told
    assert "...: MicroPython on ... lacks it" in told


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    root = source_root()
    places = site_places(root)
    page = f"{PAGES}/index.md"
    there = relinked("[a](../../../README.md#b)", page, root, places)
    assert there == "[a](explanation/readme.md#b)"
    assert relinked("[the law](../../../LICENSE)", page, root, places) == "the law (`LICENSE`)"
    with pytest.raises(BulkheadError, match=r"nowhere\.md"):
        relinked("[a](nowhere.md)", page, root, places)


# Sentences.


def test_sentences_are_short_on_average() -> None:
    assert too_long(source_root()) == []


def test_sentences_are_counted_without_listings_and_tables() -> None:
    text = "# Head\n\nOne two three. Four `five` six\nseven.\n\n```sh\nx y z\n```\n\n| a | b |\n"
    assert [len(one.split()) for one in sentences(text)] == [3, 4]
    assert mean_words(text) == 3.5


def test_the_schema_of_json_is_held_both_ways() -> None:
    schema = {"a": "integer: A.", "b[].c": "string or null: C."}
    assert schemas.differences(schema, {"a": 1, "b": [{"c": None}, {"c": "x"}]}) == []
    assert schemas.differences(schema, {"a": "x"}) == ["a is string, and told as integer: A."]
    assert schemas.differences(schema, {"d": 1}) == ["d is not told"]


def test_the_documents_need_nothing_but_what_the_tools_need() -> None:
    program = "import docs.stage, sys; sys.exit('sphinx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
