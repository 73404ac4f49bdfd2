"""One module of many: what kernel, port and guard weigh as modules, a board does without.

Each module takes a table of names in RAM, and each name that one imports from another an entry of
it; in flash there are the imports, and a file's name. So an image, and what goes beside one, has
the modules of the three in one, `kernel/__init__.py`: imports among them go, names that two of
them define get their module's behind them, and what others import from one of them they import
from `kernel`. Argument names, which MicroPython keeps for calls by keyword, become letters where
no call has the keyword; constants that are folded everywhere go.

Functions keep their names, which tracebacks show. Left as they are: what services import, what
shares its globals with services, and what is loaded late or let go of.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bulkhead_host.errors import BulkheadError
from bulkhead_host.system.scopes import Renamer, keywords_of, loaded_names, source_of

MERGED = "kernel/__init__.py"
_PACKAGE = "kernel"
_FOLDERS = ("kernel/", "port/", "guard/")
# `guards`: a service finds its globals. `boot`, `places` and `rp2_found` are let go of.
_APART = {
    *("kernel/__init__.py", "kernel/abi.py", "kernel/layout.py", "kernel/limits.py"),
    *("kernel/boot.py", "kernel/replace.py"),
    *("guard/__init__.py", "guard/guards.py"),
    *(
        "port/__init__.py",
        "port/modules.py",
        "port/places.py",
        "port/rp2_found.py",
        "port/rp2_outputs.py",
    ),
    *("port/rp2_prompt.py", "port/rp2_sources.py"),
}
# Compiled without line numbers: their lines may move.
_WITHOUT_LINES = (*_FOLDERS, "bulkhead/")
_BUILTINS = frozenset(dir(builtins)) - {"range", "super", "__import__"}
_OFTEN = 3
_VIPER_TYPES = {"ptr", "ptr8", "ptr16", "ptr32", "uint"}

Origin = tuple[str, str]
"""A module and a name in it; the name is empty for the module itself."""

# The compiler knows it; what it is called with is not kept in a name that begins with `_`.
_CONST = ("micropython", "const")


@dataclass
class _Member:
    """A module: its statements but imports, and what its global names stand for."""

    name: str
    body: list[ast.stmt]
    names: dict[str, Origin] = field(default_factory=dict)


def merge(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the frozen tree `files`, folded, with the modules of kernel and port in one.

    A tree without a kernel is returned as it is. Raises BulkheadError for code that this cannot
    do: a module of them used otherwise than for its names.
    """
    inside = [path for path in files if path.startswith(_FOLDERS) and path not in _APART]
    if MERGED not in files or not inside:
        return dict(files)
    members = {_module(path): _member(path, files[path]) for path in inside}
    keywords = frozenset().union(*(keywords_of(ast.parse(text)) for text in files.values()))
    wanted = {
        node.id if isinstance(node, ast.Name) else node.name
        for path, text in files.items()
        if path not in inside
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name | ast.alias)
    }
    table = _names(members, wanted)
    keep = {table[at] for at in table if at[1] in wanted}
    rest = {path: text for path, text in files.items() if path not in (*inside, MERGED)}
    rewired = {path: _rewired(path, text, members, table, keywords) for path, text in rest.items()}
    return {**rewired, MERGED: _joined(members, table, keywords, keep)}


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _member(path: str, source: bytes) -> _Member:
    tree = ast.parse(source)
    member = _Member(_module(path), [])
    for node in tree.body:
        match node:
            case ast.Import():
                for alias in node.names:
                    member.names[alias.asname or alias.name] = (alias.name, "")
            case ast.ImportFrom():
                for alias in node.names:
                    member.names[alias.asname or alias.name] = (node.module or "", alias.name)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                member.body.append(node)
    for node in member.body:
        for name in _defined(node):
            member.names[name] = (member.name, name)
    return member


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    raise BulkheadError(
        f"line {node.lineno} of a kernel module is neither a definition nor an assignment",
        "put it into a function, or name its module in merge.py",
    )


def _names(members: Mapping[str, _Member], outside: Collection[str]) -> dict[Origin, str]:
    """Return the one name that everything gets.

    A constant that nobody `outside` knows gets one that MicroPython does not keep.
    """
    constants = {
        (member.name, name)
        for member in members.values()
        for node in member.body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const(")
        for name in _defined(node)
    }
    below = {_module(path).rpartition(".")[2] for path in _APART}  # attributes of the package
    taken = set(dir(builtins)) | _VIPER_TYPES | below
    table: dict[Origin, str] = {}
    for member in members.values():
        for name, origin in member.names.items():
            if origin in table or _is_member(origin, members):
                continue
            if not origin[1] or origin[0] == member.name or origin[0] not in members:
                wanted = name
                if origin in constants and name not in outside and name[0] != "_":
                    wanted = "_" + name
                while wanted in taken:
                    wanted += "_" + member.name.rpartition(".")[2]
                taken.add(wanted)
                table[origin] = wanted
    return table


def _is_member(origin: Origin, members: Mapping[str, _Member]) -> bool:
    return _joint(origin) in members


def _joint(origin: Origin) -> str:
    return f"{origin[0]}.{origin[1]}" if origin[1] else origin[0]


def _target(origin: Origin, members: Mapping[str, _Member]) -> Origin:
    """Return where a name is defined that a member may only have imported."""
    if origin[0] not in members or not origin[1] or _is_member(origin, members):
        return origin
    found = members[origin[0]].names.get(origin[1])
    if found is None:
        raise BulkheadError(f"{origin[0]} has no {origin[1]}", "correct the import")
    return origin if found == origin else _target(found, members)


def _scope(
    names: Mapping[str, Origin], members: Mapping[str, _Member], table: Mapping[Origin, str]
) -> dict[str, str | dict[str, str]]:
    """Return what each global name of a module becomes; a module of ours becomes its names."""
    scope: dict[str, str | dict[str, str]] = {}
    for name, imported in names.items():
        origin = _target(imported, members)
        if _is_member(origin, members):
            inner = members[_joint(origin)]
            scope[name] = {
                each: table[_target(at, members)]
                for each, at in inner.names.items()
                if not _is_member(_target(at, members), members)
            }
        elif origin in table:
            scope[name] = table[origin]
    return scope


def _joined(
    members: Mapping[str, _Member],
    table: Mapping[Origin, str],
    keywords: frozenset[str],
    keep: Collection[str],
) -> bytes:
    imports = [
        _import(origin, name)
        for origin, name in table.items()
        if origin[0] not in members and origin != _CONST
    ]
    read = Counter(name for member in members.values() for name in _builtins(member.body))
    imports += [f"{name} = {name}" for name in sorted(read) if read[name] >= _OFTEN]
    body: list[ast.stmt] = []
    for member in _ordered(members):
        renamer = Renamer(_scope(member.names, members, table), keywords, set(table.values()))
        body += [renamer.visit(node) for node in member.body]
    read_names = {name for node in body for name in loaded_names(node)} | set(keep)
    body = [node for node in body if not _is_unread(node, read_names)]
    return ("\n".join([*imports, source_of(body)])).encode()


def _is_unread(node: ast.stmt, read: Collection[str]) -> bool:
    """Tell whether a statement defines a constant that nobody reads."""
    is_constant = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const(")
    return is_constant and not set(_defined(node)) & set(read)


def _builtins(body: list[ast.stmt]) -> list[str]:
    """Return the builtins that functions look up, as often as they do.

    The commonest are put among the merged names: to find out that one is not there takes
    MicroPython some ten comparisons in a table of this size.
    """
    return [
        node.id
        for function in ast.walk(ast.Module(body, []))
        if isinstance(function, ast.FunctionDef)
        and "micropython.viper" not in map(ast.unparse, function.decorator_list)
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id in _BUILTINS
    ]


def _import(origin: Origin, name: str) -> str:
    module, wanted = origin
    if not wanted:
        return f"import {module}" + (f" as {name}" if name != module else "")
    return f"from {module} import {wanted}" + (f" as {name}" if name != wanted else "")


def _ordered(members: Mapping[str, _Member]) -> list[_Member]:
    """Return each member behind those that it imports."""
    order: dict[str, _Member] = {}

    def visit(member: _Member) -> None:
        for origin in member.names.values():
            name = _joint(origin) if _is_member(origin, members) else origin[0]
            if name in members and name not in order and name != member.name:
                visit(members[name])
        order[member.name] = member

    for member in members.values():
        if member.name not in order:
            visit(member)
    return list(order.values())


def _rewired(
    path: str,
    source: bytes,
    members: Mapping[str, _Member],
    table: Mapping[Origin, str],
    keywords: frozenset[str],
) -> bytes:
    """Return a module that is apart, with what it imports of the others imported from one."""
    tree = ast.parse(source)
    if path.startswith(_WITHOUT_LINES):
        return _rewritten(tree, members, table, keywords)
    lines = source.decode().split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            statements = [_statement(node, alias, members, table) for alias in node.names]
            if statements != [None] * len(statements):
                kept = [
                    new or f"from {node.module} import {ast.unparse(alias)}"
                    for new, alias in zip(statements, node.names, strict=True)
                ]
                first, last = node.lineno - 1, node.end_lineno or node.lineno
                empty = [""] * (last - first - 1)
                lines[first:last] = [" " * node.col_offset + "; ".join(kept), *empty]
    return "\n".join(lines).encode()


def _statement(
    node: ast.ImportFrom,
    alias: ast.alias,
    members: Mapping[str, _Member],
    table: Mapping[Origin, str],
) -> str | None:
    """Return what takes the place of one import, None if it stays."""
    origin = _target((node.module or "", alias.name), members)
    name = alias.asname or alias.name
    if _is_member(origin, members):
        return f"import {_PACKAGE} as {name}"
    if (node.module or "") in members:
        return _import((_PACKAGE, table[origin]), name)
    return None


def _rewritten(
    tree: ast.Module,
    members: Mapping[str, _Member],
    table: Mapping[Origin, str],
    keywords: frozenset[str],
) -> bytes:
    """Return a module whose lines may move: argument names become letters there too."""
    scope: dict[str, str | dict[str, str]] = {}
    used: dict[str, None] = {}
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names = {a.asname or a.name: (node.module or "", a.name) for a in node.names}
            ours = {
                name: origin
                for name, origin in names.items()
                if origin[0] in members or _is_member(origin, members)
            }
            scope |= _scope(ours, members, table)
            node.names = [a for a in node.names if (a.asname or a.name) not in ours]
            if not node.names:
                continue
        body.append(node)
    renamer = Renamer(scope, keywords, set(table.values()), used)
    for node in tree.body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom) and (inner.module or "") in members:
                for alias in inner.names:
                    alias.asname = alias.asname or alias.name
                    alias.name = table[_target((inner.module or "", alias.name), members)]
                inner.module = _PACKAGE
    body = [renamer.visit(node) for node in body]
    imports = [f"from {_PACKAGE} import {', '.join(used)}"] if used else []
    return "\n".join([*imports, source_of(body)]).encode()
