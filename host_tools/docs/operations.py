"""The reference of the services that ship, made of each `api.py` and its comments."""

import ast
import io
import tokenize
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.paths import source_root
from docs.tables import code, table


@dataclass(kw_only=True)
class Constant:
    """A constant of an `api.py`: what it is, and the comments about it."""

    name: str
    value: str
    comments: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What its comments say."""
        return " ".join(self.comments)


def page() -> str:
    """Return the page; raise BulkheadError for a constant that no comment explains."""
    folder = source_root() / "services"
    lines = [
        "# Operations of the services that ship",
        "",
        "A client imports them from `services.NAME.api`. An arrow stands before what comes back.",
        "",
    ]
    for path in sorted(folder.glob("*/api.py")):
        lines += section(path.parent.name, read_text(path))
    return "\n".join(lines)


def section(service: str, source: str) -> list[str]:
    """Return the lines on the `api.py` of one service."""
    tree = ast.parse(source)
    found = constants(source)
    unexplained = [one.name for one in found if not one.words]
    if unexplained:
        raise BulkheadError(
            f"services/{service}/api.py does not explain {', '.join(unexplained)}",
            "write a comment behind or above each",
        )
    lines = [f"(service-{service})=", f"## {service}", "", ast.get_docstring(tree) or "", ""]
    lines += hardware(source_root() / "services" / service / "service.toml")
    rows = [[code(one.name), code(one.value), one.words] for one in found]
    lines += table(["name", "value", "meaning"], rows) if rows else []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            words = (ast.get_docstring(node) or "").split("\n\n")[0]
            arguments = ""
            if isinstance(node, ast.FunctionDef):
                arguments = f"({ast.unparse(node.args)})"
            lines += [f"`{node.name}{arguments}`", f": {' '.join(words.split())}", ""]
    return lines


def hardware(manifest: Path) -> list[str]:
    """Return the lines on the pins of a service that ships, with what its manifest says of them.

    None where it has no pins.
    """
    text = read_text(manifest)
    document = tomllib.loads(text)
    pins = document["service"].get("pins", []) + [
        line[key]
        for line in document.get("line", ())
        for key in ("pin", "tx", "rx")
        if key in line
    ]
    if not pins:
        return []
    comment = text.partition("\n")[0]
    words = comment.removeprefix("#").strip() if comment.startswith("#") else ""
    named = ", ".join(code(pin) for pin in pins)
    return [
        f"Its pins are {named}. {words}" if words else f"Its pins are {named}.",
        "A manifest that an application has for the service names others.",
        "",
    ]


def constants(source: str) -> list[Constant]:
    """Return the public constants of a module, each with the comments about it.

    These are the one behind it, with what goes on below that, and the one right above. A comment
    with a blank line before it is about all constants up to the next blank line that have none.
    """
    found: list[Constant] = []
    names = _assigned(source)
    comments = {
        token.start[0]: token.string.lstrip("#")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    group: list[str] = []
    above: list[str] = []
    is_after_blank = True
    for number, line in enumerate(source.splitlines(), start=1):
        comment = comments.get(number, "").strip()
        if number in names:
            name, value = names[number]
            words = [*above, *([comment] if comment else [])] or [*group]
            found.append(Constant(name=name, value=value, comments=words))
            above = []
        elif comment and comments[number].startswith("  ") and found:  # goes on from above
            found[-1].comments.append(comment)
        elif comment:
            (group if is_after_blank else above).append(comment)
            continue
        elif not line.strip():
            group = []
        is_after_blank = not line.strip()
    return [one for one in found if not one.name.startswith("_")]


def _assigned(source: str) -> dict[int, tuple[str, str]]:
    """Return name and value of each constant, by its line."""
    return {
        node.lineno: (
            node.targets[0].id,
            ast.unparse(node.value).removeprefix("const(").removesuffix(")"),
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
