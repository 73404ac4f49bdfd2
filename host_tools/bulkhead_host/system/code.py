"""Checks of a service's Python files, read and not run."""

import ast
import os
import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from bulkhead_host.files import (
    NOT_TEXT,
    SAVE_AS_TEXT,
    NotText,
    python_files,
    read_text,
    write_text,
)
from bulkhead_host.paths import mpy_cross_program, source_root
from bulkhead_host.problem import Report
from bulkhead_host.system import floats
from bulkhead_host.system.boards import Board
from bulkhead_host.system.driven import driven_pins
from bulkhead_host.system.frames import FRAME_NAMES
from bulkhead_host.system.imports import beyond_manifest, imports
from bulkhead_host.system.manifest import RIGHTS, Service
from bulkhead_host.system.operands import check_operands
from bulkhead_host.system.safe import can_drive, check_driven
from bulkhead_host.system.tree import tree_of, walk

# Traps that take a right of the same name.
_RIGHT_OF_TRAP = ("call", "send", "notify")
# mpy-cross reports an error as MicroPython does.
_TRACEBACK_LINE = re.compile(r'^ *File ".*", line (\d+)', re.MULTILINE)

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_code(
    service: Service, names: Collection[str], board: Board | None, report: Report
) -> None:
    """Report what is wrong in the files of a service; `names` are the services there are."""
    for file in python_files(service.folder):
        tree = _parsed(file, report)
        if tree is None:
            continue
        for line, text, hint in beyond_manifest(tree, service.package, service.modules):
            report.add(file, line, text, hint)
        check_operands(tree, file, report)
        _check_floats(tree, file, report)
        _check_apis(service, tree, file, names, report)
        if file != service.folder / "api.py":  # whose handles are those of its clients
            _check_handles(service, tree, file, report)
        if service.manifest not in {problem.path for problem in report.errors}:
            _check_rights(service, tree, file, report)
        if board is not None:
            _check_board(service, tree, file, board, report)
            check_driven(service, tree, file, board, report)
            if not service.folder.is_relative_to(source_root() / "services"):
                _check_compiles(file, board, report)
        if file == service.folder / "service.py":
            _check_main(tree, file, report)
    has_code = (service.folder / "service.py").is_file()
    if not has_code and service.manifest not in {problem.path for problem in report.errors}:
        report.add(
            service.manifest,
            service.line("service", "name"),
            f"{service.name} has no service.py",
            f"write {service.folder / 'service.py'} with main(task) in it",
        )


def _check_floats(tree: ast.Module, file: Path, report: Report) -> None:
    for line, text in floats.too_large(tree):
        report.add(file, line, text, floats.HINT)


def _parsed(file: Path, report: Report) -> ast.Module | None:
    try:
        return tree_of(read_text(file), file.name)
    except NotText as error:
        report.add(file, error.line, NOT_TEXT, SAVE_AS_TEXT)
    except SyntaxError as error:
        report.add(file, error.lineno or 0, f"invalid syntax: {error.msg}")
    except ValueError as error:  # a NUL in the text
        report.add(file, 0, f"invalid syntax: {error}")
    return None


def _check_compiles(file: Path, board: Board, report: Report) -> None:
    """Report what is Python and not MicroPython, or wrong in native and viper functions."""
    options = ["-s", file.name, f"-march={board.architecture}", "-o", os.devnull]
    with TemporaryDirectory() as folder:
        source = Path(folder) / "module.py"
        write_text(source, read_text(file))
        done = subprocess.run(
            [mpy_cross_program(), *options, source],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode:
        *_, last = done.stderr.strip().splitlines() or ["no reason given"]
        lines = _TRACEBACK_LINE.findall(done.stderr)
        text = f"it does not compile for MicroPython: {last}"
        report.add(file, int(lines[-1]) if lines else 0, text)


def _check_main(tree: ast.Module, file: Path, report: Report) -> None:
    mains = [node for node in tree.body if isinstance(node, _Function) and node.name == "main"]
    if not mains:
        report.add(file, 0, "it has no main(task)", "def main(task): with a yield in it")
        return
    main = mains[-1]
    taken = [*main.args.posonlyargs, *main.args.args]
    if len(taken) - len(main.args.defaults) > 1 or not (taken or main.args.vararg):
        text = f"main takes {len(taken)} arguments, and is called with one: main(task)"
        report.add(file, main.lineno, text)
    if isinstance(main, ast.FunctionDef) and not _has_yield(main):
        text = "main(task) must be a generator function or an async def: no yield in it"
        report.add(file, main.lineno, text, "yield task.recv(), or what else it waits for")


def _has_yield(function: ast.AST) -> bool:
    """Tell whether a function is a generator: a yield in it, and not in one inside it."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _Function | ast.Lambda) and _has_yield(node):
            return True
    return False


def _check_apis(
    service: Service, tree: ast.Module, file: Path, names: Collection[str], report: Report
) -> None:
    """Report imports of services that are not there, or that have no api."""
    for found in imports(tree):
        parts = found.name.split(".")
        if parts[0] != "services" or parts[1:2] in ([service.package], []):
            continue
        if parts[1] not in names:
            text = f"imports {'.'.join(parts[:3])}: {parts[1]} is not in the system"
            report.add(file, found.line, text, f'add "{parts[1]}" to system.start')


def _check_board(
    service: Service, tree: ast.Module, file: Path, board: Board, report: Report
) -> None:
    """Report imports of pins that are not on the board, or not the service's own.

    Of one that the file drives `check_driven` says what is safe for it, which makes it its own.
    """
    of_board = [one for one in imports(tree) if one.name.rpartition(".")[0] == "bulkhead_board"]
    driven = set()
    if of_board and can_drive(service):
        driven = {found.place for found in driven_pins(tree, board, service.folder)}
    for found in of_board:
        pin = found.name.rpartition(".")[2].lower()
        if board.place(pin) is None:
            hint = f"use one of {', '.join(board.pin_names)}"
            report.add(file, found.line, f"board {board.name} has no pin {pin}", hint)
        elif pin not in service.all_pins and board.place(pin) not in driven:
            text = f"pin {pin} is not its own: name it under pins in service.toml"
            report.add(file, found.line, text)


def _check_handles(service: Service, tree: ast.Module, file: Path, report: Report) -> None:
    """Report `task.cap("name")` of a name that the manifest does not grant."""
    granted = {use.handle for use in service.uses} | {line.name for line in service.lines}
    for node in walk(tree):
        name = _granted_name(node)
        if name and name not in granted and isinstance(node, ast.Call):
            text = f"no capability '{name}': name it under [uses] in service.toml"
            report.add(file, node.lineno, text)


def _check_rights(service: Service, tree: ast.Module, file: Path, report: Report) -> None:
    """Report calls, sends and notifications by a capability that lacks the right.

    A handle is followed from `led = task.cap("led")` to `task.call(led, ...)` in one function.
    """
    rights = {use.handle: use.rights for use in service.uses}
    rights |= {line.name: 0 for line in service.lines}
    for function in walk(tree):
        if not isinstance(function, _Function):
            continue
        names = _handles(function)
        for node in walk(function):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=frame), attr=trap), args=[handle, *_]
                ) if frame in FRAME_NAMES and trap in _RIGHT_OF_TRAP:
                    name = _granted_name(handle)
                    if isinstance(handle, ast.Name):
                        name = names.get(handle.id, "")
                    if rights.get(name, RIGHTS[trap]) & RIGHTS[trap] == 0:
                        text = f"no right to {trap} {name}: the manifest does not give it"
                        report.add(file, node.lineno, text, f'{name} = ["{trap}"] under [uses]')


def _handles(function: ast.AST) -> dict[str, str]:
    """Return the variables that hold one handle all through a function, with its name."""
    names = {}
    stores: list[str] = []
    for node in walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=variable)], value=value):
                names[variable] = _granted_name(value)
            case ast.Name(id=variable, ctx=ast.Store()):
                stores.append(variable)
    return {variable: name for variable, name in names.items() if stores.count(variable) == 1}


def _granted_name(node: ast.AST) -> str:
    """Return the name in `task.cap("name")`, the empty one for anything else."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=frame), attr="cap"),
            args=[ast.Constant(value=str(name))],
        ) if frame in FRAME_NAMES:
            return name
    return ""
