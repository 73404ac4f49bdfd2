"""The reference of what `--json` prints: paths, types and meanings, from schemas.toml.

A path leads to a value: `services[].name` is the name of each service. A test runs the commands,
and compares the paths and types that they print with the file, both ways.
"""

import tomllib
from pathlib import Path

import click

from bulkhead_host.cli import group
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.json_versions import VERSIONS
from docs.tables import code, table

_FILE = Path(__file__).parent / "schemas.toml"
_TYPES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
}
ANY = "any"
"""A type that is not looked into: the value is the application's own."""


def page() -> str:
    """Return the page; raise BulkheadError for a command with `--json` that no schema is of."""
    found = schemas()
    wanted = set(commands()) & set(VERSIONS)
    if wanted != set(found):
        names = ", ".join(sorted(wanted ^ set(found)))
        raise BulkheadError(f"schemas.toml and the commands with --json differ in {names}", "")
    lines = [
        "# JSON",
        "",
        "What commands print with `--json`. A path leads to a value, and `[]` to each of many.",
        "Each has a version: a number that goes up when a path goes away, or has another type or",
        "meaning. `bulkhead --json-versions` prints all of them, so that a script can look first.",
        "New paths come without a new number, and the",
        "[changelog](../explanation/host_tools_changelog.md) tells of both.",
        "",
    ]
    for name in sorted(found):
        rows = [[code(path), *_split(words)] for path, words in found[name].items()]
        version = f"Version {VERSIONS[name]}."
        lines += [
            f"## bulkhead {name}",
            "",
            version,
            "",
            *table(["path", "type", "meaning"], rows),
        ]
    return "\n".join(lines)


def schemas() -> dict[str, dict[str, str]]:
    """Return the schema of each command: type and meaning by path."""
    return {name: dict(paths) for name, paths in tomllib.loads(read_text(_FILE)).items()}


def commands() -> list[str]:
    """Return the commands that print JSON."""
    context = click.Context(group)
    return [
        name
        for name in group.list_commands(context)
        if (command := group.get_command(context, name))
        and any("--json" in one.opts for one in command.params)
    ]


def shape(value: object, path: str = "") -> dict[str, set[str]]:
    """Return the types of what is at each path of a value; of what is empty nothing is known."""
    if isinstance(value, dict):
        inner = [shape(one, f"{path}.{key}" if path else key) for key, one in value.items()]
    elif isinstance(value, list | tuple):
        inner = [shape(one, f"{path}[]") for one in value]
    else:
        return {path: {_TYPES[type(value)]}}
    merged: dict[str, set[str]] = {}
    for one in inner:
        for name, types in one.items():
            merged.setdefault(name, set()).update(types)
    return merged


def differences(schema: dict[str, str], value: object) -> list[str]:
    """Return what of a printed value its schema does not tell, or tells otherwise."""
    known = {path: set(_split(words)[0].split(" or ")) for path, words in schema.items()}
    wrong = []
    for path, types in shape(value).items():
        above = next((one for one in known if ANY in known[one] and path.startswith(one)), None)
        if above is not None:
            continue
        spelled = {word for one in types for word in one.split(" or ")}
        if path not in known:
            wrong.append(f"{path} is not told")
        elif not spelled <= known[path]:
            wrong.append(f"{path} is {', '.join(types)}, and told as {schema[path]}")
    return wrong


def _split(words: str) -> tuple[str, str]:
    kind, _, meaning = words.partition(": ")
    return kind, meaning
