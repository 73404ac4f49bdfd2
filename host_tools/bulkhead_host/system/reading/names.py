"""Names that nothing binds: of the language, of an `api.py`, of the frame."""

import ast
from collections.abc import Iterator

from pyflakes import messages
from pyflakes.checker import Checker

from bulkhead_host.system.reading.called import with_kept_frames
from bulkhead_host.system.reading.source import (
    Finding,
    Source,
    frame_attributes,
    inside,
    is_frame,
)
from bulkhead_host.system.tree import walk

# MicroPython's machine-word dialect, and what a module may be asked for.
_BUILTINS = ("const", "ptr", "ptr8", "ptr16", "ptr32", "uint", "viper", "native", "execfile")
_WRONG = (messages.UndefinedName, messages.UndefinedLocal, messages.ReturnOutsideFunction)


def wrong_names(source: Source) -> Iterator[Finding]:
    """Find names without a value."""
    programs = [span for node in walk(source.tree) if (span := _other_language(node))]
    for message in Checker(source.tree, str(source.file), builtins=_BUILTINS).messages:
        is_other = any(message.lineno in span for span in programs)
        if isinstance(message, _WRONG) and not is_other:
            yield Finding(line=message.lineno, text=message.message % message.message_args)
    yield from _wrong_imports(source)
    yield from _wrong_modules(source)
    for function, frame in with_kept_frames(source):
        for node in inside(function):
            match node:
                case ast.Attribute(value=owner, attr=attribute, ctx=ast.Load()):
                    if is_frame(owner, frame) and attribute not in frame_attributes():
                        yield Finding(
                            line=node.lineno,
                            text=f"the frame has no {attribute}",
                            next_step="see services/README.md for what a service can ask for",
                        )


def _other_language(node: ast.AST) -> range | None:
    """Return the lines of a function that is no Python: a PIO program, or assembler."""
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            if "asm_" in ast.unparse(decorator):
                return range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return None


def _wrong_imports(source: Source) -> Iterator[Finding]:
    for node in walk(source.tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if module.partition(".")[0] not in ("services", "bulkhead"):
            continue
        names = source.module_names(module)
        for alias in node.names if names else ():
            is_module = source.module_names(f"{module}.{alias.name}") is not None
            if names and alias.name not in names | {"*"} and not is_module:
                is_api = module.startswith("services.")
                told = [n for n in names if n.isupper() == is_api and not n.startswith("_")]
                yield Finding(
                    line=node.lineno,
                    text=f"{module} has no {alias.name}",
                    next_step=f"it has {', '.join(sorted(told))}",
                )


def _wrong_modules(source: Source) -> Iterator[Finding]:
    """Find attributes that a module of a service has not, and modules that are not there."""
    for node in walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if alias in source.modules:
                module = source.modules[alias]
                has = source.module_names(module) or {name}
                if name not in has and not name.startswith("__"):
                    told = sorted(one for one in has if not one.startswith("_"))
                    yield Finding(
                        line=node.lineno,
                        text=f"{module} has no {name}",
                        next_step=f"it has {', '.join(told)}",
                    )
            case ast.ImportFrom(module=str(module)) if (
                module.startswith("services.") and module.count(".") > 1
            ):
                if source.module_names(module) is None:
                    yield Finding(
                        line=node.lineno,
                        text=f"there is no module {module}",
                        next_step="write it, or mend the name",
                    )
