"""Times that do not go together: waits and heartbeats, long methods and budgets."""

import ast
from collections.abc import Iterator

from bulkhead_host import abi
from bulkhead_host.system.reading.called import with_kept_frames
from bulkhead_host.system.reading.source import Finding, Source, inside, trap_of
from bulkhead_host.system.tree import walk

_CALLS = {"call": 3, "call_lending": 5, "call_granting": 4}
_DOES_NOTHING = ("lightsleep", "deepsleep")
# Methods that are one step for long, with the module that has them and the least milliseconds:
# the drivers of `firmware/modules` tell why.
_LONG = {"measure": ("dht", 275), "scan": ("onewire", 22)}


def wrong_times(source: Source) -> Iterator[Finding]:
    """Find what holds the processor, or a wait that outlasts the heartbeat."""
    for node in walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="machine"), attr=name)):
                yield from _idle(node.lineno, name)
            case ast.ImportFrom(module="machine", names=names):
                for one in names:
                    yield from _idle(node.lineno, one.name)
            case ast.Call(func=ast.Attribute(attr=name), args=[]) if name in _LONG:
                yield from _long(source, node.lineno, name)
            case ast.Call(func=ast.Name(id="print")):
                yield Finding(
                    line=node.lineno,
                    text="print is for a person at the serial port: no log keeps it",
                    next_step='yield task.send(task.cap("logger"), INFO, text)',
                    is_warning=True,
                )
    yield from _outlasted(source)


def _idle(line: int, name: str) -> Iterator[Finding]:
    if name in _DOES_NOTHING:
        yield Finding(
            line=line,
            text=f"machine.{name} stops every service, or returns at once",
            next_step="yield task.sleep(ms): the board sleeps when nobody has work",
        )


def _long(source: Source, line: int, name: str) -> Iterator[Finding]:
    module, ms = _LONG[name]
    if module in source.service.modules and source.service.budget_ms <= ms:
        yield Finding(
            line=line,
            text=f"{name}() of {module} takes {ms} ms or more, and a step of "
            f"{source.service.name} may take {source.service.budget_ms}: it would be killed",
            next_step=f"a budget_ms above {ms}",
        )


def _outlasted(source: Source) -> Iterator[Finding]:
    heartbeat_ms = source.service.heartbeat_ms
    if not heartbeat_ms or source.file.name == "api.py":  # whose functions are its clients'
        return
    for function, frame in with_kept_frames(source):
        for node in inside(function):
            trap = trap_of(node, frame)
            if trap not in (*_CALLS, "sleep") or not isinstance(node, ast.Call):
                continue
            waits_ms = _waits_ms(source, node, trap)
            if waits_ms >= heartbeat_ms:
                yield Finding(
                    line=node.lineno,
                    text=f"{frame}.{trap} may wait {waits_ms} ms, and heartbeat_ms of "
                    f"{source.service.name} is {heartbeat_ms}: it would be faulted for waiting",
                    next_step="a longer heartbeat_ms, or a shorter wait",
                )


def _waits_ms(source: Source, call: ast.Call, trap: str) -> int:
    keywords = {each.arg: each.value for each in call.keywords}
    if trap == "sleep":
        given = call.args[0] if call.args else keywords.get("milliseconds")
    else:
        at = _CALLS[trap]
        given = call.args[at] if len(call.args) > at else keywords.get("timeout_ms")
        if given is None:
            return abi.CALL_TIMEOUT_US // 1000
    is_known, value = source.value(given)
    return value if is_known and isinstance(value, int) else 0
