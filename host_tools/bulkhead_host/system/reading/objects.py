"""Attributes and methods that a class of the service's own does not have."""

import ast
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from bulkhead_host.system.reading.called import class_of
from bulkhead_host.system.reading.source import Finding, Source, attributes_read
from bulkhead_host.system.tree import walk

# With one of these a class answers for names that its text does not have.
_ANY_NAME = ("__getattr__", "__setattr__", "__dict__", "__slots__")
_OF_OBJECTS = frozenset({"__class__", "__dict__", "__name__", "__init__", "__module__"})


def wrong_objects(source: Source) -> Iterator[Finding]:
    """Find uses of what an object whose class is known cannot have."""
    if not source.classes:
        return
    given = {
        node.attr
        for tree in (source.tree, *source.imported_trees())
        for node in walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }  # by whomever: `fan.extra = 1` makes an attribute
    known: dict[str, frozenset[str] | None] = {}
    for scope, node in attributes_read(source):
        owner = class_of(source, node.value, scope)
        if owner is None:
            continue
        if owner.name not in known:
            known[owner.name] = names_of(owner, source.classes)
        has = known[owner.name]
        if has is not None and node.attr not in has | given:
            close = get_close_matches(node.attr, sorted(has), n=1)
            yield Finding(
                line=node.lineno,
                text=f"{ast.unparse(node.value)} is of {owner.name}, which has no {node.attr}",
                next_step=close[0] if close else "",
            )


def names_of(owner: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> frozenset[str] | None:
    """Return the names of a class and of its bases, None where they cannot all be read."""
    found = set(_OF_OBJECTS)
    found |= {
        node.attr
        for node in walk(owner)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    if owner.decorator_list or owner.keywords:
        return None
    for node in owner.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign() | ast.AnnAssign() | ast.For() | ast.If() | ast.With():
                found |= {one.id for one in walk(node) if isinstance(one, ast.Name)}
    if found & set(_ANY_NAME) - _OF_OBJECTS:
        return None
    for base in owner.bases:
        above = classes.get(base.id) if isinstance(base, ast.Name) else None
        if isinstance(base, ast.Name) and base.id == "object":
            continue
        more = names_of(above, classes) if above is not None and above is not owner else None
        if more is None:
            return None
        found |= more
    return frozenset(found)
