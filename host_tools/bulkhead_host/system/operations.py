"""What a service's `api.py` offers: operations with what they take, and the statuses they answer.

The file is read, not run. A line `READ = const(1)  # arg: pin -> OK, arg: its level; NO_PIN` is an
operation: in front of the arrow stands what it takes, a tuple in parentheses. The constants up to
the last such line are operations, those below it statuses and other numbers.
"""

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead_host.errors import UsageError
from bulkhead_host.files import read_text

_CONSTANT = re.compile(r"^(?P<name>[A-Z]\w*) = const\((?P<number>\d+)\)(\s*#\s*(?P<words>.*))?$")
_TAKES = re.compile(r"arg: (?P<tuple>\((?P<items>[^)]*)\))?(?P<one>[^-(;]*)")
_ENDS_NAME = re.compile(r"\s(from|of|to|in|at|or)\s|\s\d")
_MORE = "..."


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation: its number, and what it takes.

    `parameters` are words that name the values, in order; None where nothing tells. A tuple is
    taken where there is more than one, and where `is_tuple` says so. `takes_more` says that the
    parameters may be repeated. `words` is the whole comment.
    """

    name: str
    number: int
    parameters: tuple[str, ...] | None = None
    is_tuple: bool = False
    takes_more: bool = False
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """The operations of a service, and the names of the other numbers in its `api.py`."""

    service: str
    operations: tuple[Operation, ...]
    numbers: tuple[tuple[str, int], ...]

    def named(self, name: str) -> Operation:
        """Return the operation of that name, in any case, or number; raise `UsageError`."""
        for one in self.operations:
            if name.upper() == one.name or name == str(one.number):
                return one
        known = ", ".join(one.name for one in self.operations) or "it has none"
        raise UsageError(f"{self.service} has no operation {name}", f"one of: {known}")

    def status_name(self, status: int, operation: Operation) -> str:
        """Return the word for a status: one that the operation's comment names, if there is."""
        names = [name for name, number in self.numbers if number == status]
        _, _, answers = operation.words.partition("->")
        named = [name for name in names if re.search(rf"\b{name}\b", answers)]
        return (*named, *names, str(status))[0]


def load_interface(service: str, folders: list[Path]) -> Interface:
    """Return the interface of a service, from the first of the folders that has its `api.py`.

    A service with `code =` has that of the service whose code it is. Raises `UsageError` when
    there is none.
    """
    for folder in folders:
        path = folder / service / "api.py"
        if path.is_file():
            return parse_interface(service, read_text(path))
    for folder in folders:
        code = _code_of(folder / service / "service.toml")
        if code and code != service:
            found = load_interface(code, folders)
            return replace(found, service=service)
    own = folders[:-1]  # without those that ship
    hint = "name the application's folder: --app FOLDER"
    if own:
        hint = f"one of: {', '.join(_callable_in(own))}; or one that ships: bulkhead call led"
    raise UsageError(f"there is no {service}/api.py, which says what {service} does", hint)


def _callable_in(folders: list[Path]) -> list[str]:
    """Return the services in folders that an `api.py` tells of: their own, or their code's."""
    offered = {path.parent.name for folder in folders for path in folder.glob("*/api.py")}
    manifests = [path for folder in folders for path in folder.glob("*/service.toml")]
    return sorted(offered | {path.parent.name for path in manifests if _code_of(path)})


def _code_of(manifest: Path) -> str:
    """Return the service whose code a manifest names, empty for none."""
    try:
        service = tomllib.loads(read_text(manifest)).get("service", {})
    except (OSError, ValueError):
        return ""
    code = service.get("code") if isinstance(service, dict) else None
    return code if isinstance(code, str) else ""


def parse_interface(service: str, source: str) -> Interface:
    """Return what the source of an `api.py` offers."""
    found = [match for line in source.splitlines() if (match := _CONSTANT.match(line))]
    last = max((i for i, one in enumerate(found) if "->" in (one["words"] or "")), default=-1)
    return Interface(
        service=service,
        operations=tuple(_operation(one) for one in found[: last + 1]),
        numbers=tuple((one["name"], int(one["number"])) for one in found[last + 1 :]),
    )


def _operation(found: re.Match[str]) -> Operation:
    words = found["words"] or ""
    takes, arrow, _ = words.partition("->")
    match = _TAKES.search(takes)
    name, number = found["name"], int(found["number"])
    if match is None:
        nothing = () if arrow else None
        return Operation(name=name, number=number, parameters=nothing, words=words)
    if not match["tuple"]:
        one = (_key(match["one"]),)
        return Operation(name=name, number=number, parameters=one, words=words)
    items = [item for item in match["items"].split(", ") if not item.startswith("at most")]
    return Operation(
        name=name,
        number=number,
        parameters=tuple(_key(item) for item in items if item != _MORE),
        is_tuple=True,
        takes_more=_MORE in items,
        words=words,
    )


def _key(words: str) -> str:
    """Return the word by which a person names a value: `least version` is `least_version`."""
    words = _ENDS_NAME.split(words.strip().removeprefix("the "))[0]
    key = re.sub(r"\W+", "_", words.lower()).strip("_")
    return key if key.isidentifier() else "value"
