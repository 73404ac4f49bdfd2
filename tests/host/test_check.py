"""`bulkhead check`: each kind of wrong application is found, with file, line and reason.

A row of `WRONG` changes files of an application that is right. The line that must be named
carries the mark `#!`; a row without one is about the file as a whole.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from bulkhead_host.abi import TASKS_MAX
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
MARK = "#!"

START = '["supervisor", "logger", "console", "led", "till"]'
SYSTEM = f'[system]\nname = "shop"\nboard = "pico"\nstart = {START}\n'
SERVICE = """\
from bulkhead import OK
from services.led.api import TOGGLE


def main(sys):
    led = sys.cap("led")
    while True:
        yield sys.call(led, TOGGLE)
        yield sys.sleep(500)
"""
SERVER = "def main(sys):\n    while True:\n        yield sys.recv()\n"
MARKED_START = f"start = {START}  #!"


def manifest(name: str = "till", *lines: str, uses: str = 'led = ["call"]') -> str:
    """Return a manifest with further lines in [service] and the capabilities `uses`."""
    head = ["[service]", f'name = "{name}"', *lines]
    head += [] if any(line.startswith("priority") for line in lines) else ["priority = 5"]
    return "\n".join([*head, "", "[uses]", uses, ""])


def pair(first: str, second: str) -> dict[str, str]:
    """Return the files of two services, `fan` and `till`, from their manifests."""
    start = START.replace('"till"', '"fan", "till"')
    return {
        "system.toml": SYSTEM.replace(START, start),
        "fan/service.toml": first,
        "fan/service.py": SERVER,
        "till/service.toml": second,
    }


def line(*rows: str) -> str:
    """Return an interrupt line of a manifest."""
    return "\n".join(["[[line]]", *rows, ""])


@dataclass(frozen=True)
class Wrong:
    """One way for an application to be wrong: its changed files, and what must be said."""

    kind: str
    file: str
    words: str
    files: Mapping[str, str] = field(default_factory=dict)
    is_warning: bool = False


def till(kind: str, words: str, text: str, *, is_warning: bool = False) -> Wrong:
    """Return a row about the manifest of `till`."""
    file = "till/service.toml"
    return Wrong(kind, file, words, {file: text}, is_warning)


def system(kind: str, words: str, old: str, new: str) -> Wrong:
    """Return a row about a line of system.toml."""
    return Wrong(kind, "system.toml", words, {"system.toml": SYSTEM.replace(old, new)})


def code(kind: str, words: str, text: str) -> Wrong:
    """Return a row about `till`'s code."""
    return Wrong(kind, "till/service.py", words, {"till/service.py": text})


PIN_LINE = line('name = "edge"', 'source = "pin"', 'pin = "button"')
CONSOLE_LINE = line('name = "input"', 'source = "console"')
MARKED_CONSOLE_LINE = CONSOLE_LINE.replace('"console"', '"console"  #!')

WRONG = (
    system("the TOML is broken", "the TOML is wrong", 'name = "shop"', 'name = "shop  #!'),
    system("a key twice", "cannot overwrite a value", 'name = "shop"',
           'name = "a"\nname = "b"  #!'),
    system("unknown table", "unknown key sytem", "[system]", "sytem = 1  #!\n[system]"),
    system("unknown key", "unknown key system.bord", "board", 'bord = "pico"  #!\nboard'),
    system("key missing", "system.board is missing", '[system]\nname = "shop"\nboard = "pico"',
           '[system]  #!\nname = "shop"'),
    system("wrong type", "system.name is 7, and must be a string", '"shop"', "7  #!"),
    system("unknown board", 'there is no board "picoo"', '"pico"', '"picoo"  #!'),
    system("nothing to start", "system.start is []", f"start = {START}", "start = []  #!"),
    system("started twice", 'system.start has "led" twice', '"till"]', '\n"till",\n"led" #!\n]'),
    system("no folder", "no folder tillll with a service.toml", '"till"]', '\n"tillll" #!\n]'),
    system("no supervisor", "has no supervisor", f"start = {START}",
           MARKED_START.replace('"supervisor", ', "").replace('"logger", "console", ', "")),
    Wrong("two of a name", "system.toml", "there are two services till",
          {"system.toml": SYSTEM.replace(f"start = {START}", MARKED_START),
           "services/till/service.toml": manifest(), "services/till/service.py": SERVICE}),
    Wrong("too many services", "system.toml", f"more services than TASKS_MAX: {TASKS_MAX},",
          {"system.toml": SYSTEM.replace(
              f"start = {START}",
              f"start = {START[:-1]}, {', '.join(f'{chr(34)}s{n}{chr(34)}' for n in range(67))}]"
              "  #!"),
           **{f"s{n}/service.toml": manifest(f"s{n}") for n in range(67)},
           **{f"s{n}/service.py": SERVER for n in range(67)}}),
    till("unknown key of a service", "unknown key service.prio", manifest("till", "prio = 5 #!")),
    till("name of the folder", 'service.name is "til", and its folder is till',
         manifest().replace('"till"', '"til"  #!')),
    till("priority out of range", "service.priority is 8, and must be an integer from 0 to 7",
         manifest("till", "priority = 8  #!")),
    till("priority missing", "service.priority is missing",
         '[service]  #!\nname = "till"\n[uses]\nled = ["call"]\n'),
    till("budget 0", "service.budget_ms is 0, and must be an integer from 1",
         manifest("till", "budget_ms = 0  #!")),
    till("restart kind", 'service.restart is "always", and must be one of permanent',
         manifest("till", 'restart = "always"  #!')),
    till("heartbeat within a step", "service.heartbeat_ms is 20, and one step may take 20 ms",
         manifest("till", "heartbeat_ms = 20  #!", "budget_ms = 20")),
    till("period without budget", "service.period_budget_ms is missing",
         manifest("till", "period_ms = 100").replace("[service]", "[service]  #!")),
    till("budget over its period", "period_budget_ms is 101, more than the period of 100 ms",
         manifest("till", "period_ms = 100", "period_budget_ms = 101  #!")),
    till("step over the period's budget", "one step may use more than a whole period may",
         manifest("till", "budget_ms = 11  #!", "period_ms = 100", "period_budget_ms = 10")),
    Wrong("budgets over 100 %", "till/service.toml",
          "the budgets come to 110 % of the processor: fan 50 %, till 60 %",
          pair(manifest("fan", "period_ms = 100", "period_budget_ms = 50"),
               manifest("till", "period_ms = 50", "period_budget_ms = 30  #!"))),
    till("pin that the board lacks", "board pico has no pin lamp",
         manifest("till", 'pins = [\n"lamp"  #!\n]')),
    till("pin of another", "pin led belongs to led and to till",
         manifest("till", 'pins = ["led"]  #!')),
    till("pin twice", 'service.pins has "button" twice',
         manifest("till", 'pins = ["button",\n"button"  #!\n]')),
    till("interrupt line twice", "the interrupt line of pin button belongs to till twice",
         manifest() + PIN_LINE
         + line('name = "edge2"', 'source = "pin"', 'pin = "button"  #!')),
    Wrong("interrupt line of two", "till/service.toml",
          "the interrupt line of pin button belongs to fan and to till",
          pair(manifest("fan") + PIN_LINE, manifest() + PIN_LINE.replace('ton"', 'ton"  #!'))),
    till("console of two", "the console's input belongs to console and to till",
         manifest() + MARKED_CONSOLE_LINE),
    till("trigger unknown", 'line.trigger is "edge", and must be one of falling',
         manifest() + PIN_LINE + 'trigger = "edge"  #!\n'),
    till("line without pin", "line.pin is missing",
         manifest() + "[[line]]  #!\n" + 'name = "edge"\nsource = "pin"\n'),
    till("unknown service in uses", "till uses fan, which is not in the system",
         manifest(uses='fan = ["call"]  #!\nled = ["call"]')),
    till("unknown right", 'unknown right "write" to led', manifest(uses='led = ["write"]  #!')),
    till("no right", "led is used without any right", manifest(uses="led = []  #!")),
    till("control of a service", 'only kernel grants "control", not led',
         manifest(uses='led = ["control", "call"]  #!')),
    till("send without mailbox", "till sends to led, which has no mailbox",
         manifest(uses='led = ["send"]  #!')),
    till("mailbox policy", 'mailbox.when_full is "wait", and must be one of fail',
         manifest() + '[mailbox]\ndepth = 2\nwhen_full = "wait"  #!\n'),
    till("mailbox of nothing", "mailbox.depth is 0",
         manifest() + '[mailbox]\ndepth = 0  #!\nwhen_full = "fail"\n'),
    till("handle twice", "two capabilities of till are called led",
         manifest() + PIN_LINE.replace('"edge"', '"led"  #!')),
    till("handle twice in uses", "cannot overwrite a value",
         manifest(uses='led = ["call"]\nled = ["notify"]  #!')),
    Wrong("cycle of calls", "till/service.toml",
          "calls go in a cycle: fan calls till, till calls fan",
          pair(manifest("fan", uses='till = ["call"]'),
               manifest("till", uses='led = ["call"]\nfan = ["call"]  #!'))),
    till("call to itself", "calls go in a cycle: till calls till",
         manifest(uses='led = ["call"]\ntill = ["call"]  #!')),
    Wrong("supervisor that waits", "supervisor/service.toml", "may not wait for logger",
          {"supervisor/service.toml": manifest("supervisor", "priority = 0",
                                               uses='logger = ["call"]  #!'),
           "supervisor/service.py": SERVER, "supervisor/api.py": ""}),
    Wrong("supervisor below others", "supervisor/service.toml", "supervisor has priority 1",
          {"supervisor/service.toml": manifest("supervisor", "priority = 1  #!",
                                               uses='kernel = ["control"]'),
           "supervisor/service.py": SERVER}),
    till("priority inversion", "till (priority 1) waits for logger (priority 2), whose steps",
         manifest("till", "priority = 1", "budget_ms = 5",
                  uses='led = ["call"]\nlogger = ["call"]  #!'), is_warning=True),
    code("syntax error", "invalid syntax", "def main(sys)  #!\n    yield\n"),
    code("syntax that MicroPython lacks", "it does not compile for MicroPython: SyntaxError",
         "def main(sys):\n    match (yield):  #!\n        case _:\n            pass\n"),
    code("no main", "it has no main(sys)", '"""Nothing."""\n'),
    code("main without yield", "main(sys) must be a generator function or an async def",
         "def main(sys):  #!\n    lambda: (yield)\n    sys.sleep(1)\n"),
    code("main of two arguments", "main takes 2 arguments, and is called with one",
         "def main(sys, led):  #!\n    yield sys.recv()\n"),
    code("module not in the manifest", "import of 'machine.Pin' is not in its service.toml",
         f"from machine import Pin  #!\n\n\n{SERVER}"),
    code("the kernel", "import of 'kernel.ipc' is not in its service.toml",
         f"import kernel.ipc  #!\n\n\n{SERVER}"),
    code("another's insides", "import of 'services.led.service.main' is not in its",
         f"from services.led.service import main as led  #!\n\n\n{SERVER}"),
    code("a service not there", "imports services.fan.api: fan is not in the system",
         f"from services.fan.api import SPEED  #!\n\n\n{SERVER}"),
    code("a builtin that reaches out", "builtin 'exec' is not in its service.toml",
         f"exec('import machine')  #!\n\n\n{SERVER}"),
    code("a pin that is another's", "pin led is not its own: name it under pins in service.toml",
         f"from bulkhead_board import LED  #!\n\n\n{SERVER}"),
    code("a pin constant of no board", "board pico has no pin lamp",
         f"from bulkhead_board import LAMP  #!\n\n\n{SERVER}"),
    till("pin by its other name", "pin gp25 belongs to led and to till (led is the same pin)",
         manifest("till", 'pins = ["gp25"]  #!')),
    code("a capability not granted", "no capability 'motor': name it under [uses] in service.toml",
         'def main(sys):\n    yield sys.notify(sys.cap("motor"), 1)  #!\n'),
    Wrong("a call without the right", "till/service.py", "no right to call led: the manifest",
          {"till/service.toml": manifest(uses='led = ["notify"]'),
           "till/service.py": SERVICE.replace("TOGGLE)", "TOGGLE)  #!")}),
    code("a send without the right", "no right to send led: the manifest",
         'def main(sys):\n    yield sys.send(sys.cap("led"), 1)  #!\n'),
    Wrong("no code", "till/service.toml", "till has no service.py",
          {"till/service.toml": manifest().replace('"till"', '"till"  #!'),
           "till/service.py": ""}),
)  # fmt: skip


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the application that is right, with `files` in place of its own."""
    whole = {"system.toml": SYSTEM, "till/service.toml": manifest(), "till/service.py": SERVICE}
    for name, text in {**whole, **files}.items():
        path = folder / name
        if text or path.name == "api.py":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def marked_line(text: str) -> int:
    """Return the line that carries the mark, 0 without one."""
    lines = [number for number, row in enumerate(text.splitlines(), start=1) if MARK in row]
    return lines[0] if lines else 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder below the working folder, for an application."""
    monkeypatch.chdir(tmp_path)
    return Path("shop")


def test_the_application_that_the_rows_change_is_right(folder: Path) -> None:
    assert check(write(folder, {})).problems == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.kind)
def test_a_wrong_application_is_found_with_file_line_and_reason(
    folder: Path, wrong: Wrong
) -> None:
    problems = check(write(folder, wrong.files)).problems
    found = [problem for problem in problems if wrong.words in problem.text]
    assert len(found) == 1, "\n".join(map(str, problems))
    assert found[0].path == folder / wrong.file
    assert found[0].line == marked_line(wrong.files[wrong.file])
    assert found[0].is_warning == wrong.is_warning


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.kind)
def test_one_mistake_is_reported_once_and_not_as_others(folder: Path, wrong: Wrong) -> None:
    problems = check(write(folder, wrong.files)).problems
    assert len(problems) == 1, "\n".join(map(str, problems))


@pytest.mark.parametrize(("lines", "fits"), [(28, True), (29, False)])
def test_a_service_has_at_most_28_interrupt_lines(folder: Path, lines: int, fits: bool) -> None:
    text = "".join(line(f'name = "l{n}"', 'source = "console"') for n in range(lines))
    found = check(write(folder, {"till/service.toml": manifest() + text})).problems
    words = [problem.text for problem in found if "a service has at most 28" in problem.text]
    assert words == ([] if fits else [f"{lines} interrupt lines; a service has at most 28"])


def test_a_variable_that_holds_several_handles_is_not_judged(folder: Path) -> None:
    both = (
        "def main(sys):\n"
        '    peer = sys.cap("led")\n'
        "    yield sys.call(peer, 1)\n"
        '    peer = sys.cap("logger")\n'
        "    yield sys.send(peer, 1)\n"
    )
    uses = 'led = ["call"]\nlogger = ["send"]'
    files = {"till/service.toml": manifest(uses=uses), "till/service.py": both}
    assert check(write(folder, files)).problems == []


def test_there_are_many_kinds_of_wrong() -> None:
    assert len({wrong.kind for wrong in WRONG}) == len(WRONG) >= KINDS_MIN


@pytest.mark.parametrize(
    ("file", "words", "kind"),
    [
        ("authority.py", "import of '%s' is not in its service.toml", "the kernel"),
        ("authority.py", "builtin '%s' is not in its service.toml", "a builtin that reaches out"),
        ("tasks.py", "main(sys) must be a generator function or an async def: no yield in it",
         "main without yield"),
        ("state.py", " uses %s, which is not in the system", "unknown service in uses"),
        ("state.py", "more services than TASKS_MAX", "too many services"),
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
    assert "shop/till/service.toml:8: warning: priority inversion" in result.stdout


def test_a_folder_without_an_application_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [BULKHEAD, "check", tmp_path], capture_output=True, text=True, timeout=60, check=False
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
        timeout=60,
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
