"""Make the folder of a new application."""

from pathlib import Path

from bulkhead_host.errors import UsageError
from bulkhead_host.files import write_all
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.names import why_no_application

_SYSTEM = """\
# The application {name}: its board, and its services in start order.
[system]
name = "{name}"
board = "{board}"
start = [
    "supervisor",    # starts the others, and starts again what fails
    "logger",        # keeps the log until the console takes it
    "console",       # answers the host over the serial port
    "updater",       # replaces the code of a service while it runs: bulkhead update
]
"""

_README = """\
# {name}

An application for Bulkhead, a microkernel in MicroPython.

| command | what it does |
|---|---|
| `bulkhead new-service NAME` | makes a service: `NAME/` and its test |
| `bulkhead check .` | says what is wrong with it, file and line |
| `bulkhead run .` | boots it on an emulated board and shows it working |
| `bulkhead run . --port auto` | puts it on the board that is plugged in, and watches it |
| `bulkhead stubs` | tells your editor of what services import, after each new service |
| `bulkhead build .` | makes one file of it, `build/{name}-{board}.uf2` |
| `pytest` | runs the tests, on an emulated board |

`system.toml` names the board and the services. Each service is a folder: `service.toml` says what
it may do, `service.py` does it, `api.py` numbers its operations for others. The services that ship
with Bulkhead can be started by name.
"""

# A pytest of another environment knows no boards: it names the package that it lacks.
_PYTEST = """\
[pytest]
required_plugins = bulkhead-kernel
bulkhead_app = .
testpaths = tests
"""
# Visual Studio Code: what `bulkhead check` says stands beside the code, at each Ctrl-Shift-B.
_TASKS = r"""{
  "version": "2.0.0",
  "tasks": [
    {
      "label": "bulkhead check",
      "type": "shell",
      "command": "bulkhead",
      "args": ["check", "."],
      "group": { "kind": "build", "isDefault": true },
      "presentation": { "reveal": "silent" },
      "problemMatcher": {
        "owner": "bulkhead",
        "fileLocation": ["relative", "${workspaceFolder}"],
        "pattern": {
          "regexp": "^([^:]+):(\\d+): (error|mistake|warning): (.*)$",
          "file": 1,
          "line": 2,
          "severity": 3,
          "message": 4
        }
      }
    },
    {
      "label": "bulkhead run",
      "type": "shell",
      "command": "bulkhead",
      "args": ["run", ".", "--watch"],
      "problemMatcher": []
    },
    {
      "label": "bulkhead stubs",
      "type": "shell",
      "command": "bulkhead",
      "args": ["stubs", "."],
      "presentation": { "reveal": "silent" },
      "runOptions": { "runOn": "folderOpen" },
      "problemMatcher": []
    },
    {
      "label": "pytest",
      "type": "shell",
      "command": "pytest",
      "group": { "kind": "test", "isDefault": true },
      "problemMatcher": []
    }
  ]
}
"""

# For pyright, Pylance and mypy: what services import is in build/, by `bulkhead stubs`.
_PYRIGHT = """\
{
  "exclude": ["build", "tests", "desk.py"],
  "extraPaths": ["build/typings"],
  "stubPath": "build/typings",
  "typeshedPath": "build/typeshed",
  "strictParameterNoneValue": false,
  "reportMissingModuleSource": false
}
"""
_MYPY = """\
[mypy]
files = .
exclude = ^(build|tests)/|^desk\\.py$
mypy_path = build/typings
custom_typeshed_dir = build/typeshed
explicit_package_bases = True
follow_imports = silent
check_untyped_defs = True
strict_optional = False
disable_error_code = var-annotated
"""

_GITIGNORE = "build/\n__pycache__/\n.pytest_cache/\n.mypy_cache/\n"


def new_application(folder: Path, *, board: str) -> list[Path]:
    """Make an application in `folder`, which must not exist or be empty; return its files.

    Raises UsageError, and writes nothing, when the folder has anything in it, its name cannot be
    an application's, or there is no such board.
    """
    name = folder.absolute().name
    if reason := why_no_application(name):
        raise UsageError(*reason)
    board_named(board)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists already", "name another folder")
    texts = {
        "system.toml": _SYSTEM,
        "README.md": _README,
        "pytest.ini": _PYTEST,
        ".gitignore": _GITIGNORE,
        ".vscode/tasks.json": _TASKS,
        "pyrightconfig.json": _PYRIGHT,
        "mypy.ini": _MYPY,
    }
    write_all(
        {
            folder / file: text.replace("{name}", name).replace("{board}", board)
            for file, text in texts.items()
        }
    )
    return [folder / file for file in texts]
