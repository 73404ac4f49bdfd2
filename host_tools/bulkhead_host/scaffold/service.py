"""Make a new service in an application: a copy of `services/template` under another name."""

from pathlib import Path

import tomlkit
from tomlkit.items import Array

from bulkhead_host.errors import UsageError
from bulkhead_host.files import read_text, write_all
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.document import read_document
from bulkhead_host.system.names import why_no_service

TEMPLATE = "template"
# Folders of an application that are no service's.
_FOLDERS = {
    "tests": "its tests",
    "build": "what is built",
    "services": "its services",
    "lib": "its modules",
}

_TEST = '''\
"""{name} on a board: an emulated one, or `pytest --bulkhead-target auto`."""


def test_{name}_comes_back_alone(fresh_board, kernel):
    kernel.expect("{name} is up")
    before = kernel.services()
    {name} = kernel.inject("crash", target="{name}")
    kernel.wait_for_restart({name})
    kernel.assert_untouched(before, except_for=("{name}",))
'''


def new_service(application: Path, name: str) -> list[Path]:
    """Make the service `name` with its test, and add it to system.start; return all it wrote.

    The last of them is system.toml, whose comments stay. Raises UsageError, and writes nothing,
    when there is no application, the name is no name or is taken, or a file is in the way.
    """
    system = application / "system.toml"
    if not system.is_file():
        raise UsageError(
            f"there is no system.toml in {application.absolute()}",
            "cd into an application, or make one: bulkhead new NAME",
        )
    _check_name(name)
    changed = _with_service(system, name)
    template = source_root() / "services" / TEMPLATE
    texts = {
        application / name / file.name: read_text(file).replace(TEMPLATE, name)
        for file in sorted(template.iterdir())
        if file.suffix in (".py", ".toml")
    }
    texts[application / "tests" / f"test_{name}.py"] = _TEST.replace("{name}", name)
    for path in (application / name, *texts):
        if path.exists():
            raise UsageError(f"{path} exists already", "choose another name")
    write_all({**texts, system: changed})
    return [*texts, system]


def _check_name(name: str) -> None:
    if reason := why_no_service(name):
        raise UsageError(*reason)
    if name in _FOLDERS:
        raise UsageError(f"{name}/ is where an application has {_FOLDERS[name]}", "choose another")
    if (source_root() / "services" / name / "service.toml").is_file():
        raise UsageError(f"{name} is a service that ships", "choose another name")


def _with_service(system: Path, name: str) -> str:
    """Return the text of system.toml with a service more at the end of system.start."""
    report = Report()
    document = read_document(system, report)
    if document is None:
        raise UsageError(str(report.problems[0].from_here()), "mend it: bulkhead check .")
    text = tomlkit.parse(read_text(system))
    table = text.get("system")
    start = table.get("start") if isinstance(table, dict) else None
    if not isinstance(start, Array):
        line = document.line("system", "start")
        raise UsageError(f"{system}:{line}: there is no system.start", "mend it: bulkhead check .")
    if name in start:
        line = document.line("system", "start", start.index(name))
        raise UsageError(f"{system}:{line}: {name} is started already", "choose another name")
    if "\n" in start.as_string():
        start.add_line(name)
    else:
        start.append(name)
    return text.as_string()
