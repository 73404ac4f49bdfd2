"""`bulkhead new` and `bulkhead new-service`: what they write, and what they leave alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bulkhead_host.commands.check import check
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.scaffold.application import new_application
from bulkhead_host.scaffold.service import new_service

BULKHEAD = str(Path(sys.executable).parent / "bulkhead")

COMMENTED = """\
# An application with comments.
[system]    # the table
name = "demo"
board = "pico"    # the small one
start = [
    "supervisor",    # first
    # these two talk to the host
    "logger", "console"    # no comma
]
"""


def bulkhead(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, as a person does."""
    return subprocess.run(
        [BULKHEAD, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    """Return the text of each file below a folder."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in files}


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the folder of a new application."""
    new_application(tmp_path / "demo", board="pico")
    return tmp_path / "demo"


def test_a_new_application_and_its_new_services_are_right(tmp_path: Path) -> None:
    assert bulkhead(tmp_path, "new", "demo").returncode == 0
    demo = tmp_path / "demo"
    assert check(demo).problems == []
    for name in ("greeter", "other2"):
        done = bulkhead(demo, "new-service", name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"added {name} to system.toml"
        assert f"made tests/test_{name}.py" in done.stdout
    assert check(demo).problems == []
    assert set(contents(demo)) == {
        *("system.toml", "README.md", "pytest.ini", ".gitignore", ".vscode/tasks.json"),
        *("pyrightconfig.json", "mypy.ini"),
        *(f"greeter/{file}" for file in ("service.toml", "service.py", "api.py")),
        *(f"other2/{file}" for file in ("service.toml", "service.py", "api.py")),
        *("tests/test_greeter.py", "tests/test_other2.py"),
    }


def test_nothing_of_the_template_stays_in_a_new_service(demo: Path) -> None:
    new_service(demo, "greeter")
    text = "".join(contents(demo).values())
    assert "template" not in text
    assert "{name}" not in text


def test_a_board_may_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='there is no board "picoo"'):
        new_application(tmp_path / "demo", board="picoo")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["Demo", "my-robot", "2wheels", "a b"])
def test_an_application_of_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    done = bulkhead(tmp_path, "new", name)
    assert done.returncode == UsageError.exit_code
    assert f'"{name}" is no name for an application' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "system.toml").write_text("mine")
    done = bulkhead(tmp_path, "new", "demo")
    assert done.returncode == UsageError.exit_code
    assert "demo exists already" in done.stderr
    assert contents(tmp_path) == {"demo/system.toml": "mine"}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    assert bulkhead(tmp_path / "demo", "new", ".").returncode == 0
    assert check(tmp_path / "demo").problems == []


def test_a_new_service_leaves_the_comments_of_system_toml(demo: Path) -> None:
    (demo / "system.toml").write_text(COMMENTED)
    new_service(demo, "greeter")
    lines = (demo / "system.toml").read_text().splitlines()
    before = COMMENTED.splitlines()
    assert lines[:7] == before[:7]
    assert lines[7] == '    "logger", "console",    # no comma'
    assert lines[8:] == ['    "greeter",', "]"]
    assert check(demo).problems == []


def test_a_new_service_goes_into_a_list_of_one_line(demo: Path) -> None:
    line = 'start = ["supervisor", "logger", "console"]  # all'
    (demo / "system.toml").write_text(f'[system]\nname = "demo"\nboard = "pico"\n{line}\n')
    new_service(demo, "greeter")
    last = (demo / "system.toml").read_text().splitlines()[-1]
    assert last == 'start = ["supervisor", "logger", "console", "greeter"]  # all'


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Greeter", '"Greeter" is no name for a service'),
        ("my-service", "is no name for a service"),
        ("kernel", "is the kernel's own name"),
        ("tests", "tests/ is where an application has its tests"),
        ("build", "build/ is where an application has what is built"),
        ("services", "services/ is where an application has its services"),
        ("class", "is a word of Python: nobody could import services.class.api"),
        ("None", "is a word of Python"),
        ("a" * 33, "is too long for a service"),
        ("led", "led is a service that ships"),
        ("template", "template is a service that ships"),
        ("taken", "taken exists already"),
        ("tested", "tests/test_tested.py exists already"),
        ("listed", "system.toml:3: listed is started already"),
    ],
)
def test_a_service_that_cannot_be_made_leaves_everything_as_it_is(
    demo: Path, name: str, words: str
) -> None:
    for path in (demo / "taken" / "notes", demo / "tests" / "test_tested.py"):
        path.parent.mkdir()
        path.write_text("mine")
    start = 'start = ["supervisor", "logger", "console", "listed"]'
    (demo / "system.toml").write_text(f'[system]\nname = "demo"\n{start}\nboard = "pico"\n')
    before = contents(demo)
    done = bulkhead(demo, "new-service", name)
    assert done.returncode == UsageError.exit_code
    assert words in done.stderr
    assert contents(demo) == before


def test_a_service_outside_an_application_is_refused(tmp_path: Path) -> None:
    done = bulkhead(tmp_path, "new-service", "greeter")
    assert done.returncode == UsageError.exit_code
    assert "there is no system.toml in " in done.stderr
    assert "bulkhead new NAME" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[system\n", "system.toml:1: the TOML is wrong"),
        ('[system]\nname = "x"\n', "system.toml:1: there is no system.start"),
        ("[system]\nstart = 3\n", "system.toml:2: there is no system.start"),
    ],
)
def test_a_system_toml_that_is_wrong_is_left_alone(demo: Path, text: str, words: str) -> None:
    (demo / "system.toml").write_text(text)
    with pytest.raises(BulkheadError, match=words):
        new_service(demo, "greeter")
    assert (demo / "system.toml").read_text() == text
    assert not (demo / "greeter").exists()


def test_an_image_goes_into_the_build_folder_of_its_application(demo: Path) -> None:
    done = bulkhead(demo.parent, "build", "demo")
    assert done.returncode == 0, done.stderr
    assert (demo / "build" / "demo-pico.uf2").is_file()
    assert not (demo.parent / "build").exists()


def test_a_pytest_without_the_plugin_names_what_it_lacks(demo: Path) -> None:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest"],
        cwd=demo,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Missing required plugins: bulkhead-kernel" in done.stderr


def test_an_editor_finds_each_problem_that_check_prints(demo: Path) -> None:
    new_service(demo, "greeter")
    service = demo / "greeter" / "service.py"
    service.write_text(service.read_text() + "\n\ndef late(task):\n    task.sleep(1)\n")
    (demo / "pytest.ini").unlink()
    (check_task, *_) = json.loads((demo / ".vscode" / "tasks.json").read_text())["tasks"]
    pattern = check_task["problemMatcher"]["pattern"]
    done = bulkhead(demo, *check_task["args"])
    found = [re.match(pattern["regexp"], line) for line in done.stdout.splitlines()]
    ((file, line, kind, text),) = [one.groups() for one in found if one]
    assert (file, kind) == ("greeter/service.py", "mistake")
    assert service.read_text().splitlines()[int(line) - 1] == "    task.sleep(1)"
    assert "the yield is missing" in text


IMPORTS_EVERYTHING = """\
import neopixel
from bulkhead import OK, Frame
from bulkhead.asking import ask
from bulkhead_board import LED
from machine import Pin
from services.greeter.api import GREET
from services.i2c.api import Bus


def main(task: Frame):
    neopixel.NeoPixel(Pin(LED, Pin.OUT), 3).write()
    Bus(task, task.cap("i2c")).scan()
    status = yield from ask(task, task.cap("greeter"), GREET, "x")
    if status == OK:
        yield task.sleep(3)
"""
MISTAKES = {
    "from bulkhead_board import LED": ("LED", "LEDD as LED", "LEDD"),
    "from services.greeter.api import GREET": ("GREET", "GREETT as GREET", "GREETT"),
    "    neopixel.NeoPixel(Pin(LED, Pin.OUT), 3).write()": ("write", "wriet", "wriet"),
    '    Bus(task, task.cap("i2c")).scan()': ("scan", "scam", "scam"),
    "        yield task.sleep(3)": ("3", "3, 4", "Too many arguments"),
}


def test_an_editors_checker_knows_all_that_services_import(demo: Path) -> None:
    new_service(demo, "greeter")
    new_service(demo, "asker")
    assert bulkhead(demo, "stubs").stdout == "wrote build/typings\n"
    mypy = [sys.executable, "-m", "mypy", "--no-color-output", "--no-pretty"]

    def found() -> list[str]:
        done = subprocess.run(mypy, cwd=demo, capture_output=True, text=True, check=False)
        return [line for line in done.stdout.splitlines() if ": error: " in line]

    lines = IMPORTS_EVERYTHING.splitlines()
    (demo / "asker" / "service.py").write_text(IMPORTS_EVERYTHING)
    assert found() == []
    for line, (right, wrong, _) in MISTAKES.items():
        lines[lines.index(line)] = line.replace(right, wrong, 1)
    (demo / "asker" / "service.py").write_text("\n".join(lines) + "\n")
    wanted = [IMPORTS_EVERYTHING.splitlines().index(line) + 1 for line in MISTAKES]
    said = found()
    assert [int(line.split(":")[1]) for line in said] == wanted
    for line, (_, _, word) in zip(said, MISTAKES.values(), strict=True):
        assert word in line
    with (demo / "greeter" / "api.py").open("a") as api:
        api.write("GREETT = 1\n")  # what changes is seen at once
    assert not any("GREETT" in line for line in found())
