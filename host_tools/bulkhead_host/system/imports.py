"""What Python files import, and what a service may, by the list that the board goes by too.

A dotted name is allowed by an entry that is a prefix of it, component by component, where `*`
stands for one component: `services.*.api` allows `from services.led.api import SET`. Behind a `-`
an entry takes away what a shorter one allows; behind a `!`, what any other one allows.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkhead_host.system.tree import walk

# Modules of MicroPython that only compute: no authority over chip, interpreter or files.
PLAIN_MODULES = (
    *("array", "binascii", "cmath", "collections", "deflate", "errno", "hashlib", "heapq"),
    *("io.BytesIO", "io.IOBase", "io.StringIO", "json", "math", "random", "re", "struct", "time"),
    "micropython.const",
)
GENERATED = ("bulkhead_system", "bulkhead_board")
# Of the user library: what the console has, what asyncio takes, and what the kernel injects.
WITHHELD = (*("-bulkhead.session", "-bulkhead.loop", "-bulkhead.streams", "-bulkhead.injections"),)
# What reaches all memory, stands the whole board still, takes the heap from all others, chooses
# which byte of the console kills what runs, sets what others' random numbers come from, or is the
# guest's text, which may have secrets: the module's name alone does not give it. Of a module with
# such a name none has the module itself, in which it could put another builtin for all.
_BY_NAME = (
    *("-machine.mem8", "-machine.mem16", "-machine.mem32", "-rp2.DMA", "-_rp2.DMA"),
    *("-rp2.Flash", "-_rp2.Flash", "-machine.disable_irq", "-machine.enable_irq"),
    *("-machine.reset", "-machine.soft_reset", "-machine.bootloader"),
    *("-machine.deepsleep", "-machine.lightsleep", "-machine.freq", "-machine.WDT"),
    *("-rp2._call_with_globals", "-_rp2._call_with_globals", "-sys.modules"),
    *("-micropython.heap_lock", "-micropython.heap_unlock", "-micropython.kbd_intr"),
    *("-gc.disable", "-gc.threshold", "-random.seed", "-bulkhead_system.GUEST"),
    "-builtins.__import__",
)
# What would run code of a service outside of its steps: callbacks and threads.
CALLBACKS = (
    *("!machine.Timer", "!machine.USBDevice", "!micropython.schedule"),
    *("!micropython.guard_callbacks", "!micropython.own_callbacks"),
    *("!micropython.hold_callbacks", "!micropython.run_callback", "!micropython.end_callback"),
    *("!_thread", "!os.dupterm", "!os.dupterm_notify"),
    *("!sys.atexit", "!sys.settrace"),
)
SERVICE = (
    "bulkhead",
    *WITHHELD,
    *_BY_NAME,
    *CALLBACKS,
    *GENERATED,
    *("kernel.abi", "kernel.layout", "kernel.limits"),
    "services.*.api",
    *PLAIN_MODULES,
)
"""What every service may import beside its own folder and what its manifest lists."""
# What a module brings along that is withheld from who does not list it.
_COMPANIONS = {"asyncio": ("bulkhead.loop", "bulkhead.streams")}
# What a service would get around its manifest with, unless that lists `builtins.open`.
FORBIDDEN_BUILTINS = frozenset(
    {"__import__", "compile", "eval", "exec", "execfile", "help", "input", "locals", "open"}
)


@dataclass(frozen=True, kw_only=True)
class Import:
    """One name that a file imports, dotted, and whether the file's own loading needs it."""

    line: int
    name: str
    at_load: bool


def imports(tree: ast.Module) -> Iterator[Import]:
    """Yield what a file imports, also inside functions; a relative import by its dots."""
    found = [node for node in walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    inside: set[int] = set()
    if any(node.col_offset for node in found):  # what is in a function is not at a line's start
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        bodies = (walk(node) for node in walk(tree) if isinstance(node, functions))
        inside = {id(node) for body in bodies for node in body}
    for node in found:
        at_load = id(node) not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(line=node.lineno, name=alias.name, at_load=at_load)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{module}.{alias.name}"
                yield Import(line=node.lineno, name=name, at_load=at_load)


def with_companions(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the modules of a manifest, and what they bring along."""
    return (*modules, *(name for module in modules for name in _COMPANIONS.get(module, ())))


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Tell whether a dotted name is covered: the longest entry that fits it counts."""
    parts = name.split(".")
    best = (0, False)
    for text in allowed:
        if text.startswith("!") and f"{name}.".startswith(f"{text[1:]}."):
            return False
        entry = text.lstrip("-!").split(".")
        pairs = zip(entry, parts, strict=False)
        if len(entry) <= len(parts) and all(want in ("*", part) for want, part in pairs):
            best = max(best, (len(entry), not text.startswith(("-", "!"))))
    return best[1]


def callback_of(name: str) -> str:
    """Return what of a dotted name no service has, since it calls back; the empty string if none.

    An entry stands for all that is below it. What such a thing is imported for is not asked.
    """
    for entry in CALLBACKS:
        if f"{name}.".startswith(f"{entry[1:]}."):
            return entry[1:]
    return ""


def names_of_modules(tree: ast.Module) -> Iterator[tuple[ast.Attribute, str]]:
    """Yield each attribute of a name that stands for an imported module, and its dotted name."""
    modules = {
        alias.asname or alias.name: alias.name
        for node in walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname or "." not in alias.name
    }
    for node in walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name)) if name in modules:
                yield node, f"{modules[name]}.{node.attr}"


def beyond_manifest(
    tree: ast.Module, name: str, modules: Sequence[str]
) -> Iterator[tuple[int, str, str]]:
    """Yield what a file of the service `name` reaches past its manifest: line, text, next step.

    The text is what the import guard says on the board (`guard/authority.py`).
    """
    allowed = (*SERVICE, f"services.{name}", *modules)
    for found in imports(tree):
        if not (is_allowed(found.name, allowed) or callback_of(found.name)):
            text = f"import of '{found.name}' is not in its service.toml"
            yield found.line, text, _way_out(found.name)
    for attribute, reached in names_of_modules(tree):
        if f"-{reached}" in _BY_NAME and not is_allowed(reached, allowed):
            text = f"import of '{reached}' is not in its service.toml"
            yield attribute.lineno, text, _way_out(reached)
    for node in walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            reached = _reaches_past(node)
            if reached and not is_allowed(reached, modules):
                kind, _, short = reached.rpartition(".")
                what = f"builtin '{short}'" if kind == "builtins" else f"import of '{reached}'"
                text = f"{what} is not in its service.toml"
                yield node.lineno, text, f'modules = ["{reached}"]'


def _reaches_past(node: ast.Name | ast.Attribute) -> str:
    """Return the dotted name of a builtin, or an emitter, that no import shows."""
    match node:
        case ast.Name(id=name) if name in FORBIDDEN_BUILTINS:
            return f"builtins.{name}"
        case ast.Attribute(value=ast.Name(id="micropython"), attr="viper" | "asm_thumb" as name):
            return f"micropython.{name}"
    return ""


def _way_out(name: str) -> str:
    parts = name.split(".")
    if f"-{name}" in _BY_NAME:
        return f'modules = ["{name}"]'
    if parts[0] == "services":
        return "import its api: nothing else of another service is for others"
    if name.startswith(("bulkhead.loop.", "bulkhead.streams.")):
        return 'modules = ["asyncio"]'
    if parts[0] == "bulkhead":
        return f'modules = ["{".".join(parts[:2])}"]'
    if parts[0] in ("", "kernel", "port", "guard"):
        return "leave it out: it is not for services"
    return f'modules = ["{parts[0]}"]'
