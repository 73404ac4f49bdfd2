"""Callers that are left waiting, answered twice, or answered with what is gone."""

import ast
from collections import Counter
from collections.abc import Iterator

from bulkhead_host.system.manifest import RIGHTS
from bulkhead_host.system.reading.called import with_kept_frames
from bulkhead_host.system.reading.calls import interface_of
from bulkhead_host.system.reading.source import (
    Finding,
    Function,
    Source,
    inside,
    is_frame,
    trap_of,
)
from bulkhead_host.system.tree import walk

_REPLIES = ("reply", "reply_recv", "reply_to", "reply_fault", "reply_granting")
_RECEIVES = ("recv", "reply_recv")
_TAKES_ARG = ("call", "call_lending", "call_granting", "unstash", *_RECEIVES)
_LEAVES_ARG = ("sleep", "notify", "acknowledge", "send", "stash", "reply", "reply_to")


def wrong_replies(source: Source) -> Iterator[Finding]:
    """Find branches that do not reply, or do so twice, and values read too late."""
    for function, frame in with_kept_frames(source):
        tokens = _tokens(function, frame)
        for block in _blocks(function):
            yield from _twice(block, frame, tokens)
            yield from _late(block, frame)
        if source.is_main and function.name == "main":
            yield from _unanswered(source, function, frame)
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


def _twice(block: list[ast.stmt], frame: str, tokens: set[str]) -> Iterator[Finding]:
    """Find a second answer to one caller: `reply`, or `reply_to` by a token of its own."""
    answered: set[str] = set()
    maybe = ""
    for statement in block:
        found = traps(statement, frame)
        is_plain = isinstance(statement, ast.Expr | ast.Assign)
        if is_plain and len(found) == 1 and found[0] in _ANSWERS:
            key = _answered(statement, frame)
            if key in answered or (key in tokens and "" in answered) or (key == "" and maybe):
                yield Finding(
                    line=statement.lineno,
                    text="the caller has been answered already" + maybe,
                    next_step="reply once to each call; reply_to answers an earlier caller",
                )
            answered = {key, ""} if key in tokens else answered | {key}
            if found == ["reply_recv"]:
                answered = set()
            maybe = ""
        elif any(trap in _RECEIVES for trap in found) or not is_plain:
            answered = set()
            maybe = _may_have(statement, frame)


_ANSWERS = ("reply", "reply_recv", "reply_to")


def _answered(statement: ast.stmt, frame: str) -> str:
    """Return the token that a statement answers, the empty string for the caller last received."""
    for node in inside(statement):
        match node:
            case ast.Call(args=[token, *_]) if trap_of(node, frame) == "reply_to":
                return ast.unparse(token)
    return ""


def _may_have(statement: ast.stmt, frame: str) -> str:
    """Say where a branch has replied, and goes on to what stands behind it."""
    if not isinstance(statement, ast.If):
        return ""
    for block in (statement.body, statement.orelse):
        if not block or isinstance(block[-1], ast.Continue | ast.Break | ast.Return | ast.Raise):
            continue
        found = [trap for one in block for trap in traps(one, frame)]
        is_plain = isinstance(block[-1], ast.Expr) and traps(block[-1], frame) == ["reply"]
        if is_plain and not any(trap in _RECEIVES for trap in found):
            return f", in line {block[-1].lineno}"
    return ""


def _tokens(function: Function, frame: str) -> set[str]:
    """Return the variables that hold nothing but the caller which was received last."""
    found: set[str] = set()
    stores: Counter[str] = Counter()
    for node in inside(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_token(value, frame):
                found.add(name)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                found |= {
                    one.id
                    for one, value in zip(names, values, strict=False)
                    if isinstance(one, ast.Name) and _is_token(value, frame)
                }
            case ast.Name(id=name, ctx=ast.Store()):
                stores[name] += 1
    return {name for name in found if stores[name] == 1}


def _is_token(node: ast.AST, frame: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="caller")):
            return is_frame(owner, frame)
    return False


def _late(block: list[ast.stmt], frame: str) -> Iterator[Finding]:
    """Find `task.arg` read behind a trap that came after the receive which gave it."""
    between = ""
    for statement in block:
        found = traps(statement, frame)
        if any(trap in _TAKES_ARG for trap in found) or _asks(statement, frame):
            between = ""
        elif between and _reads_arg(statement, frame):
            yield Finding(
                line=statement.lineno,
                text=f"{frame}.arg is read after {frame}.{between}: what was received may be gone",
                next_step=f"keep it right after the receive: arg = {frame}.arg",
                is_warning=True,
            )
            between = ""
        elif isinstance(statement, ast.Expr) and found and found[0] in _LEAVES_ARG:
            between = found[0]


def _asks(statement: ast.stmt, frame: str) -> bool:
    """Tell whether a statement runs something with the frame, which may receive."""
    return any(isinstance(node, ast.YieldFrom | ast.Await) for node in inside(statement)) and any(
        isinstance(node, ast.Call) and not trap_of(node, frame) for node in inside(statement)
    )


def _reads_arg(statement: ast.stmt, frame: str) -> bool:
    """Tell whether a statement reads `task.arg` as the first thing that it does."""
    match statement:
        case ast.If(test=first) | ast.While(test=first):
            nodes = (first, *inside(first))
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Return():
            nodes = inside(statement)
        case _:
            return False
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "arg"
        and isinstance(node.ctx, ast.Load)
        and is_frame(node.value, frame)
        for node in nodes
    )


def _unanswered(source: Source, main: Function, frame: str) -> Iterator[Finding]:
    """Find the branch of an operation that answers, by the `api.py`, without a reply in it."""
    interface = interface_of(source.service)
    if interface is None:
        return
    answering = {one.number: one.name for one in interface.operations if "->" in one.words}
    branches = _Branches(source, frame, answering, _tokens(main, frame))
    for loop in inside(main):
        if not isinstance(loop, ast.While):
            continue
        for at, statement in enumerate(loop.body):
            after = loop.body[at + 1 :]
            if isinstance(statement, ast.If) and not branches.may_reply(after):
                yield from branches.unanswered(statement)


class _Branches:
    """The branches of a loop that serves. `answering` are operations by number, with names."""

    def __init__(
        self, source: Source, frame: str, answering: dict[int, str], tokens: set[str]
    ) -> None:
        self._source = source
        self._frame = frame
        self._answering = answering
        self._tokens = tokens

    def unanswered(self, node: ast.If) -> Iterator[Finding]:
        """Find what the branches of an `if` leave without an answer."""
        serves = asks = False
        for test, block in _chain(node):
            names = [self._answering[n] for n in self._operations(test) if n in self._answering]
            serves = serves or bool(names)
            asks = asks or (test is not None and self._asks_for_caller(test))
            if test is None and serves and not asks and not self.may_reply(block):
                line = block[0].lineno if block else node.lineno
                yield self._finding("what it does not know", line, "REFUSED")
            for name in names[:1]:
                if not self.may_reply(block):
                    yield self._finding(name, block[0].lineno, "OK")
                else:
                    yield from self._silent(name, block)

    def _asks_for_caller(self, test: ast.expr) -> bool:
        """Tell whether a test is about somebody waiting: behind it there may be nobody."""
        return any(
            (isinstance(node, ast.Name) and node.id in self._tokens)
            or _is_token(node, self._frame)
            for node in (test, *inside(test))
        )

    def _finding(self, name: str, line: int, status: str) -> Finding:
        return Finding(
            line=line,
            text=f"{name} is called, and this branch does not reply: the caller waits for its "
            "whole timeout",
            next_step=f"yield {self._frame}.reply({status})",
        )

    def _silent(self, name: str, block: list[ast.stmt]) -> Iterator[Finding]:
        """Find the branches in a block that do not reply where the others beside them do."""
        for at, statement in enumerate(block):
            others = [*block[:at], *block[at + 1 :]]
            if not isinstance(statement, ast.If) or self.may_reply(others):
                continue
            for inner in (statement.body, statement.orelse):
                if not self.may_reply(inner):
                    line = inner[0].lineno if inner else statement.lineno
                    yield self._finding(name, line, "REFUSED")
                else:
                    yield from self._silent(name, inner)

    def may_reply(self, block: list[ast.stmt]) -> bool:
        """Tell whether a block may reply: itself, by a helper, or by leaving it to others."""
        return any(self._settles(node) for one in block for node in (one, *inside(one)))

    def _settles(self, node: ast.AST) -> bool:
        if trap_of(node, self._frame) in _REPLIES:
            return True
        match node:
            case ast.Call(args=arguments) if any(
                isinstance(each, ast.Name) and each.id == self._frame for each in arguments
            ):
                return True  # handed to somebody who may do it
            case ast.Call(func=ast.Attribute(attr="caller")):
                return True  # kept for later
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self._tokens  # kept as well
            case ast.Continue() | ast.Break() | ast.Return() | ast.Raise():
                return True
        return False

    def _operations(self, test: ast.expr | None) -> list[int]:
        """Return the numbers of the operations that a test lets in, none where it does not say."""
        match test:
            case ast.Compare(left=ast.Name(), ops=[ast.Eq()], comparators=[value]):
                values = [value]
            case ast.Compare(
                left=ast.Name(), ops=[ast.In()], comparators=[ast.Tuple(elts=values)]
            ):
                pass
            case ast.BoolOp(op=ast.And(), values=[first, *_]):
                return self._operations(first)
            case ast.BoolOp(op=ast.Or(), values=tests):
                return [number for one in tests for number in self._operations(one)]
            case _:
                return []
        known = (self._source.value(value)[1] for value in values)
        return [number for number in known if isinstance(number, int)]


def _chain(node: ast.If) -> Iterator[tuple[ast.expr | None, list[ast.stmt]]]:
    """Yield the tests of an `if` with their blocks, and what is left with None."""
    yield node.test, node.body
    if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        yield from _chain(node.orelse[0])
    else:
        yield None, node.orelse


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
