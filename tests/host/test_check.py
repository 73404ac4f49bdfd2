"""`bulkhead check`: each kind of wrong application is found, with file, line and reason."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from wrong_applications import (
    SYSTEM,
    WRONG,
    Wrong,
    line,
    manifest,
    marked_line,
    write,
)

from bulkhead_host.checks.files import tree_files
from bulkhead_host.commands.check import check, command
from bulkhead_host.errors import UsageError
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Problem
from bulkhead_host.system.document import key_lines
from bulkhead_host.system.examine import SystemRefused, load_system
from bulkhead_host.system.generate import system_module

BULKHEAD = str(Path(sys.executable).parent / "bulkhead")
KINDS_MIN = 25


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder below the working folder, for an application."""
    monkeypatch.chdir(tmp_path)
    return Path("shop")


def test_the_application_that_the_rows_change_is_right(folder: Path) -> None:
    assert check(write(folder, {})).problems == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.kind)
def test_a_wrong_application_is_found_once_with_file_line_and_reason_and_nothing_else(
    folder: Path, wrong: Wrong
) -> None:
    found = check(write(folder, wrong.files)).problems
    assert len(found) == 1, "\n".join(map(str, found))
    assert wrong.words in found[0].text
    assert found[0].path == folder / wrong.file
    assert found[0].line == marked_line(wrong.files[wrong.file])
    assert found[0].is_warning == wrong.is_warning


TRAPS = [one for one in WRONG if re.match(r"a (call|send|status|sleep) ", one.kind)]


@pytest.mark.parametrize("wrong", TRAPS, ids=lambda wrong: wrong.kind)
def test_a_frame_by_its_older_name_is_read_alike(folder: Path, wrong: Wrong) -> None:
    files = {file: re.sub(r"\btask\b", "sys", text) for file, text in wrong.files.items()}
    found = [p for p in check(write(folder, files)).problems if p.path == folder / wrong.file]
    assert [problem.line for problem in found] == [marked_line(files[wrong.file])]


@pytest.mark.parametrize(("lines", "fits"), [(28, True), (29, False)])
def test_a_service_has_at_most_28_interrupt_lines(folder: Path, lines: int, fits: bool) -> None:
    text = "".join(line(f'name = "l{n}"', 'source = "console"') for n in range(lines))
    found = check(write(folder, {"till/service.toml": manifest() + text})).problems
    words = [problem.text for problem in found if "a service has at most 28" in problem.text]
    assert words == ([] if fits else [f"{lines} interrupt lines; a service has at most 28"])


def test_a_variable_that_holds_several_handles_is_not_judged(folder: Path) -> None:
    both = (
        "def main(task):\n"
        '    peer = task.cap("led")\n'
        "    yield task.call(peer, 1)\n"
        '    peer = task.cap("logger")\n'
        "    yield task.send(peer, 1)\n"
    )
    uses = 'led = ["call"]\nlogger = ["send"]'
    files = {"till/service.toml": manifest(uses=uses), "till/service.py": both}
    assert check(write(folder, files)).problems == []


def test_there_are_many_kinds_of_wrong() -> None:
    assert len({wrong.kind for wrong in WRONG}) == len(WRONG) >= KINDS_MIN


@pytest.mark.parametrize(
    ("file", "words", "kind"),
    [
        ("../guard/authority.py", "import of '%s' is not in its service.toml", "the kernel"),
        ("../guard/authority.py", "builtin '%s' is not in its service.toml",
         "a builtin that reaches out"),
        ("tasks.py", "main(task) must be a generator function or an async def: no yield in it",
         "main without yield"),
        ("../plan/words.py", " uses %s, which is not in the system", "unknown service in uses"),
        ("../plan/words.py", "more services than TASKS_MAX", "too many services"),
        ("../bulkhead/frame.py", "no capability '%s': name it under [uses] in service.toml",
         "a capability not granted"),
    ],
    ids=lambda part: part[:20],
)  # fmt: skip
def test_the_board_says_it_in_the_same_words(
    folder: Path, file: str, words: str, kind: str
) -> None:
    (wrong,) = (wrong for wrong in WRONG if wrong.kind == kind)
    (problem,) = check(write(folder, wrong.files)).problems
    source = (source_root() / "firmware" / "kernel" / file).read_text()
    on_board = re.sub(r'" \+ \w+ \+ "', "%s", source)
    assert words in on_board
    assert re.search(re.escape(words).replace("%s", r"[\w.]+"), problem.text)


def test_all_problems_are_reported_at_once_in_the_order_of_the_files(folder: Path) -> None:
    files = {
        "system.toml": SYSTEM.replace('"pico"', '"picoo"'),
        "till/service.toml": manifest("till", "priority = 9", "budget_ms = 0", "prio = 1"),
        "till/service.py": "import machine\n",
    }
    found = check(write(folder, files)).problems
    assert [f"{problem.path.name}:{problem.line}" for problem in found] == [
        *("system.toml:3", "service.py:0", "service.py:1"),
        *("service.toml:3", "service.toml:4", "service.toml:5"),
    ]


def test_the_command_prints_file_line_and_reason_and_exits_1(folder: Path) -> None:
    write(folder, {"till/service.toml": manifest("till", "priority = 9")})
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "shop/till/service.toml:3: error: service.priority is 9, and must be an integer from 0 "
        "to 7",
        "shop: 5 services, for pico: 1 problem",
    ]


def test_a_manifest_that_is_no_toml_is_of_a_service_that_counts(folder: Path) -> None:
    write(folder, {"till/service.toml": "[service\n"})
    result = CliRunner().invoke(command, [str(folder)])
    assert result.stdout.splitlines()[-1].startswith("shop: 5 services, for pico: ")


def test_what_a_manifest_says_is_shown_as_it_stands_there(folder: Path) -> None:
    line = 'priority = "\u0130\u0131\u00e7\\u009b\\n"'
    write(folder, {"till/service.toml": manifest("till", line)})
    result = CliRunner().invoke(command, [str(folder)])
    assert 'is "\u0130\u0131\u00e7\\x9b\\n", and must' in result.stdout


def test_the_command_prints_json(folder: Path) -> None:
    write(folder, {"till/service.toml": manifest("till", "priority = 9")})
    result = CliRunner().invoke(command, [str(folder), "--json"])
    found = json.loads(result.stdout)
    assert (result.exit_code, found["is_right"], found["board"]) == (1, False, "pico")
    (problem,) = found["problems"]
    assert (problem["file"], problem["line"]) == ("shop/till/service.toml", 3)
    assert problem["severity"] == "error"


def test_a_warning_is_no_failure(folder: Path) -> None:
    (wrong,) = (wrong for wrong in WRONG if wrong.is_warning)
    result = CliRunner().invoke(command, [str(write(folder, wrong.files))])
    assert result.exit_code == 0
    assert "shop/till/service.toml:7: warning: priority inversion" in result.stdout


def test_a_folder_without_an_application_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [BULKHEAD, "check", tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == UsageError.exit_code
    assert "holds no application" in done.stderr
    assert "bulkhead new" in done.stderr


def test_a_build_refuses_with_the_same_words(folder: Path) -> None:
    write(folder, {"till/service.toml": manifest("till", "priority = 9")})
    (problem,) = check(folder).problems
    with pytest.raises(SystemRefused) as refused:
        load_system(folder, "pico")
    assert str(problem) in refused.value.cause
    done = subprocess.run(
        [BULKHEAD, "build", folder],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == UsageError.exit_code
    assert str(problem) in done.stderr


def test_the_application_that_ships_is_right() -> None:
    assert check(source_root() / "services").problems == []


def test_a_budget_a_period_is_among_the_options_of_a_row(folder: Path) -> None:
    text = manifest("till", "period_ms = 100", "period_budget_ms = 30")
    module = system_module(write(folder, {"till/service.toml": text}), "pico")
    values: dict[str, tuple[tuple[object, ...], ...]] = {}
    exec(module, values)
    *others, row = values["SERVICES"]
    assert row[8] == (100_000, 30_000, 0, 0, 0)
    assert {other[8] for other in others} == {(0, 0, 0, 0, 0)}


@pytest.mark.parametrize(
    "path", [path for path in tree_files(source_root()) if path.suffix == ".toml"], ids=str
)
def test_each_key_of_a_toml_file_is_found_on_its_line(path: Path) -> None:
    text = (source_root() / path).read_text()
    lines = text.splitlines()
    found = key_lines(text)
    assert len(found) > 1
    for keys, number in found.items():
        name = next(key for key in reversed(keys) if isinstance(key, str))
        assert isinstance(keys[-1], int) or name in lines[number - 1]


def test_keys_are_found_in_every_form_that_toml_has() -> None:
    text = """\
# [no.table]
a.b = 1
"quoted key" = 'it # is [not]'
[x.y]
long = \"\"\"
[not.this]
\"\"\"
list = [
    "one",  # ]
    ["two", 2.5],
]
inline = { p = 1, q = [1, 2] }
[[row]]
k = 1
[[row]]
k = 2
[row.sub]
z = 1979-05-27T07:32:00Z
"""
    found = key_lines(text)
    assert {keys: found[keys] for keys in [("a", "b"), ("quoted key",), ("x", "y", "long")]} == {
        ("a", "b"): 2,
        ("quoted key",): 3,
        ("x", "y", "long"): 5,
    }
    assert (found["x", "y", "list", 0], found["x", "y", "list", 1]) == (9, 10)
    assert found["x", "y", "inline", "q"] == 12
    assert (found["row", 0, "k"], found["row", 1, "k"]) == (14, 16)
    assert (found["row", 1, "sub"], found["row", 1, "sub", "z"]) == (17, 18)
    assert ("no", "table") not in found
    assert ("not", "this") not in found


def test_a_problem_is_shown_from_the_working_folder(folder: Path) -> None:
    folder.mkdir()
    inside = Problem(path=(folder / "x").absolute(), line=3, text="wrong")
    outside = Problem(path=Path("/nowhere/x"), text="wrong")
    assert str(inside.from_here()) == "shop/x:3: wrong"
    assert str(outside.from_here()) == "/nowhere/x: wrong"
