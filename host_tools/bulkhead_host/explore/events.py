"""What may happen around the kernel: interrupts, time, the tick, a kill and its being caught."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bulkhead_host.explore.choices import Choice, capabilities, crash
from bulkhead_host.explore.embedding import GUEST, IDLE, NESTED, PARKED, Embedding
from bulkhead_host.explore.spec import UNIT_US
from bulkhead_host.explore.stand_ins import TIME_MASK, Violation

_HALF = 0x20000000


@dataclass(slots=True)
class Event:
    """What the world around does while a service is parked, or none is."""

    kind: str
    label: str
    happen: Callable[[Embedding], None]


def events(world: Embedding) -> list[Event]:
    """Return what may happen around the kernel now, beside the step of the parked service."""
    w, layout = world.words, world.layout
    kind, enabled = world.kind, world.spec.events
    found = _firings(world) if "fire" in enabled else []
    if kind == IDLE:
        if w[layout.DEADLINES]:
            found.append(Event("time", "time goes by", _idle_until_due))
        return found + (_samples(world) if "quota" in enabled else [])
    if "time" in enabled and w[layout.DEADLINES] and _is_ahead(world, layout.NEXT_DEADLINE):
        found.append(Event("time", "time goes by", _pass_time))
    elif "slice" in enabled and kind == PARKED and _may_end_slice(world):
        found.append(Event("time", "the slice ends", _pass_time))
    if w[layout.SCHEDULED] and kind in (PARKED, GUEST) and not world.port.pending:
        found.append(Event("enter", "interrupt level", Embedding.enter))
    if "strike" in enabled and kind in (PARKED, NESTED) and not w[layout.STRUCK]:
        found.append(Event("strike", "strike", _strike))
    if world.port.pending:
        found.append(Event("catch", "catches the kill", _catch))
    return found


def _is_ahead(world: Embedding, field: int) -> bool:
    """Tell whether a time of the kernel's record is after now."""
    return bool(0 < (world.words[field] - world.port.now()) & TIME_MASK < _HALF)


def _may_end_slice(world: Embedding) -> bool:
    """Tell whether an equal waits for the end of the slice."""
    w, layout = world.words, world.layout
    equals = w[layout.READY_BITS] >> w[w[layout.RUNNING_TASK] + layout.PRIORITY] & 1
    return bool(equals and _is_ahead(world, layout.SLICE_END))


def _samples(world: Embedding) -> list[Event]:
    """Return that a sample of the heap finds a service above its quota."""
    down = (world.abi.DORMANT, world.abi.FAULTED)
    return [
        Event("quota", f"{service.name} is above its quota", _overdraw(task))
        for task, service in zip(world.tasks, world.services, strict=True)
        if service.quota and world.words[task + world.layout.STATE] not in down
    ]


def _overdraw(task: int) -> Callable[[Embedding], None]:
    def happen(world: Embedding) -> None:
        w, layout = world.words, world.layout
        particulars = w[layout.PARTICULARS] + (task >> layout.PARTICULAR_SHIFT)
        w[particulars + layout.USED_BYTES] = w[particulars + layout.QUOTA_BYTES] + 1
        world.kernel.memory._check_quotas()
        world.run_idle()

    return happen


def _firings(world: Embedding) -> list[Event]:
    found = []
    for index, line in enumerate(world.port.lines):
        if line.masked:
            continue
        if world.words[line.offset + world.layout.LINE_HARD]:
            found += [
                Event("fire", f"line {index} fires: {label}", _fire(line, script))
                for label, script in _hard_scripts(world, line.offset)
            ]
        else:
            found.append(Event("fire", f"line {index} fires", _fire(line, None)))
    return found


def _hard_scripts(world: Embedding, line: int) -> list[tuple[str, list[Choice]]]:
    """Return what a hard driver may do in the interrupt: (label, its traps until it rests)."""
    layout, abi = world.layout, world.abi
    held = capabilities(world, world.words[line + layout.LINE_OWNER])
    handle = next(each.handle for each in held if each.rights & abi.MAY_ACKNOWLEDGE)
    acknowledge = Choice("ack", "acknowledge", handle + abi.ACKNOWLEDGE)
    rest = Choice("attend", "attend", abi.ATTEND)
    found = [("rests", [rest]), ("acknowledges", [acknowledge, rest])]
    for each in held:
        if each.rights & abi.MAY_NOTIFY:
            bits = ((layout.REGISTER_TIMEOUT, 2),)
            notify = Choice("notify", "notify", each.handle + abi.NOTIFY, bits)
            found.append(("notifies", [notify, acknowledge, rest]))
            found.append(("notifies and crashes", [notify, crash("crash")]))
    found.append(("sleeps", [Choice("sleep", "sleep", abi.SLEEP)]))
    found.append(("returns", [crash("return", StopIteration)]))
    return found


def _fire(line: Any, script: list[Choice] | None) -> Callable[[Embedding], None]:
    def happen(world: Embedding) -> None:
        world.hard_script = script and list(script)
        line.fire()
        left, world.hard_script = world.hard_script, None
        if left:
            raise Violation("a hard step ended before its end")
        if world.kind == IDLE:
            world.run_idle()

    return happen


def _idle_until_due(world: Embedding) -> None:
    world.port.clock.us = world.words[world.layout.NEXT_DEADLINE]
    world.run_idle()


def _pass_time(world: Embedding) -> None:
    world.port.clock.us += UNIT_US
    _tick(world)


def _tick(world: Embedding) -> None:
    """Do what the port's tick does, but for strikes."""
    w, layout = world.words, world.layout
    now = world.port.now()
    if w[layout.DEADLINES] and (now - w[layout.NEXT_DEADLINE]) & _HALF == 0:
        w[layout.SCHEDULED] = 1
    equals = w[layout.READY_BITS] >> w[w[layout.RUNNING_TASK] + layout.PRIORITY] & 1
    is_over = (now - w[layout.SLICE_END]) & _HALF == 0
    if w[layout.ARMED] and not w[layout.OUTER] and equals and is_over:
        w[layout.SCHEDULED] = 1


def _strike(world: Embedding) -> None:
    world.words[world.layout.STRUCK] += 1
    world.port.pending = True


def _catch(world: Embedding) -> None:
    world.port.pending = False
