"""Callers that are left waiting, answered twice, or answered with what is gone."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.manifest import RIGHTS
from bulkhead_host.system.reading.calls import interface_of
from bulkhead_host.system.reading.source import Finding, Function, Source, inside, trap_of
from bulkhead_host.system.tree import walk

_REPLIES = ("reply", "reply_recv", "reply_to", "reply_fault", "reply_granting")
_RECEIVES = ("recv", "reply_recv")
_TAKES_ARG = ("call", "call_lending", "call_granting", "unstash", *_RECEIVES)
_LEAVES_ARG = ("sleep", "notify", "acknowledge", "send", "stash", "reply", "reply_to")


def wrong_replies(source: Source) -> Iterator[Finding]:
    """Find branches that do not reply, or do so twice, and values read too late."""
    for function, frame in source.with_frames():
        for block in _blocks(function):
            yield from _twice(block, frame)
            yield from _late(block, frame)
        if source.is_main and function.name == "main":
            yield from _unanswered(source, function, frame)
            yield from _unhanded_state(source)
    if source.is_main:
        yield from _unused(source)


def _blocks(function: Function) -> Iterator[list[ast.stmt]]:
    for node in (function, *inside(function)):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def traps(node: ast.AST, frame: str) -> list[str]:
    """Return the traps that stand in a statement, or in what is in it."""
    found = (trap_of(each, frame) for each in (node, *inside(node)))
    return [trap for trap in found if trap]


def _twice(block: list[ast.stmt], frame: str) -> Iterator[Finding]:
    was_reply = False
    for statement in block:
        found = traps(statement, frame)
        is_plain = isinstance(statement, ast.Expr | ast.Assign)
        if is_plain and found in (["reply"], ["reply_recv"]):
            if was_reply:
                yield Finding(
                    line=statement.lineno,
                    text="the caller has been answered already",
                    next_step="reply once to each call; reply_to answers an earlier caller",
                )
            was_reply = found == ["reply"]
        elif any(trap in _RECEIVES for trap in found) or not is_plain:
            was_reply = False


def _late(block: list[ast.stmt], frame: str) -> Iterator[Finding]:
    """Find `task.arg` read behind a trap that came after the receive which gave it."""
    between = ""
    is_received = False
    for statement in block:
        found = traps(statement, frame)
        if any(trap in _TAKES_ARG for trap in found):
            is_received, between = True, ""
        elif isinstance(statement, ast.Expr) and found and found[0] in _LEAVES_ARG:
            between = found[0]
        elif is_received and between and _reads_arg(statement, frame):
            yield Finding(
                line=statement.lineno,
                text=f"{frame}.arg is read after {frame}.{between}: what was received may be gone",
                next_step=f"keep it right after the receive: arg = {frame}.arg",
                is_warning=True,
            )
            is_received = False


def _reads_arg(statement: ast.stmt, frame: str) -> bool:
    match statement:
        case ast.Assign(value=ast.Attribute(value=ast.Name(id=name), attr="arg")):
            return name == frame
    return False


def _unanswered(source: Source, main: Function, frame: str) -> Iterator[Finding]:
    """Find the branch of an operation that answers, by the `api.py`, without a reply in it."""
    interface = interface_of(source.service)
    if interface is None:
        return
    answering = {one.number: one.name for one in interface.operations if "->" in one.words}
    helpers = {name for name in source.functions}
    for loop in inside(main):
        if not isinstance(loop, ast.While):
            continue
        for at, statement in enumerate(loop.body):
            after = loop.body[at + 1 :]
            if isinstance(statement, ast.If) and not _replies(after, frame, helpers):
                yield from _branches(source, statement, frame, answering, helpers)


def _branches(
    source: Source, node: ast.If, frame: str, answering: dict[int, str], helpers: set[str]
) -> Iterator[Finding]:
    for test, block in _chain(node):
        number = _operation(source, test)
        if number in answering and not _replies(block, frame, helpers):
            yield Finding(
                line=block[0].lineno,
                text=f"{answering[number]} is called, and this branch does not reply: the caller "
                "waits for its whole timeout",
                next_step=f"yield {frame}.reply(OK)",
            )


def _chain(node: ast.If) -> Iterator[tuple[ast.expr, list[ast.stmt]]]:
    yield node.test, node.body
    if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        yield from _chain(node.orelse[0])


def _operation(source: Source, test: ast.expr) -> int | None:
    match test:
        case ast.Compare(left=ast.Name(), ops=[ast.Eq()], comparators=[value]):
            is_known, number = source.value(value)
            return number if is_known and isinstance(number, int) else None
        case ast.BoolOp(op=ast.And(), values=[first, *_]):
            return _operation(source, first)
    return None


def _replies(block: list[ast.stmt], frame: str, helpers: set[str]) -> bool:
    """Tell whether a block may reply: itself, by a helper, or by leaving it to what follows."""
    for statement in block:
        for node in (statement, *inside(statement)):
            if trap_of(node, frame) in _REPLIES:
                return True
            match node:
                case ast.Call(args=arguments) if any(
                    isinstance(each, ast.Name) and each.id == frame for each in arguments
                ):
                    return True  # handed to somebody who may do it
                case ast.Call(func=ast.Attribute(attr="caller")):
                    return True  # kept for later
                case ast.Continue() | ast.Break() | ast.Return() | ast.Raise():
                    return True
    return False


def _unhanded_state(source: Source) -> Iterator[Finding]:
    """Find an `import_state` that takes another number of values than `export_state` gives."""
    for node in walk(source.tree):
        if not isinstance(node, ast.ClassDef | ast.Module):
            continue
        functions = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        if not {"export_state", "import_state"} <= set(functions):
            continue
        given = {
            len(each.value.elts)
            for each in inside(functions["export_state"])
            if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple)
        }
        importing = functions["import_state"]
        state = importing.args.args[-1].arg if importing.args.args else ""
        for each in inside(importing):
            match each:
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Name(id=name)):
                    is_plain = not any(isinstance(one, ast.Starred) for one in names)
                    if name == state and is_plain and given and len(names) not in given:
                        yield Finding(
                            line=each.lineno,
                            text=f"import_state takes {len(names)} values, and export_state "
                            f"gives {', '.join(map(str, sorted(given)))}",
                        )


def _unused(source: Source) -> Iterator[Finding]:
    """Find rights to call that no line of the service uses: it could be made to wait by them."""
    service = source.service
    if service.manifest.parent != service.folder:
        return  # of code that is elsewhere, and may do more for others
    trees = [source.tree, *source.imported_trees()]
    if any(_asks_by_variable(node) for node in walk(source.tree)):
        return
    texts = {
        node.value
        for tree in trees
        for node in walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for use in service.uses:
        may_call = use.rights & RIGHTS["call"] and not use.is_implied
        if may_call and use.handle not in texts:
            yield Finding(
                line=1,
                text=f"the manifest lets it call {use.handle}, and no line of it does",
                next_step=f"take {use.handle} out of [uses] in service.toml",
                is_warning=True,
            )


def _asks_by_variable(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="cap"), args=[name]):
            return not isinstance(name, ast.Constant)
    return False
