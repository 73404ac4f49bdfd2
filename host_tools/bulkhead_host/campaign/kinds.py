"""The kinds of faults: what each does, whom it fits, and what is to become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bulkhead_host import abi
from bulkhead_host.system.manifest import RIGHTS, Application, Service
from bulkhead_host.system.names import KERNEL

BOARD = "board"
"""The target of faults of the board itself."""

FLOOD = "flood"
HANG = "hang"
KILL_IN_UPDATE = "kill-in-update"
UPDATER = "updater"

_LATE_MS = 1_500
"""For so long, and until the supervisor looks, a late reply makes no progress."""

_REACHES = RIGHTS["call"] | RIGHTS["send"] | RIGHTS["notify"]
_SPEAKS = RIGHTS["call"] | RIGHTS["send"]

Fits = Callable[[Service, Application], str]
"""Says why a service cannot fail in that way; empty if it can."""


class Ends(Enum):
    """Who is faulted, and is to run again."""

    TARGET = "the target"
    CLIENT = "a client of the target"
    NOBODY = "nobody"
    PERHAPS = "the target, or nobody"
    BOARD = "the board"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to fail.

    `fits` is None for a fault of the board itself. `faults` are the kinds of fault that it may be
    taken for, `starts` how often the service then starts, `words` what its last words must hold.
    One that `waits` happens with the target's next reply or step, and leaves a mark in the trace.
    `is_emulated` says that it takes the emulated board. Others may take `spills` for it once, the
    kind of fault of who finds nothing left of what all share: the heap, or the processor's time.
    """

    name: str
    meaning: str
    ends: Ends = Ends.TARGET
    faults: tuple[str, ...] = ()
    fits: Fits | None
    starts: int = 1
    words: str = ""
    waits: bool = False
    is_emulated: bool = False
    spills: str = ""

    @property
    def where(self) -> str:
        """On what it works."""
        return "emulated board" if self.is_emulated else "any board"


def _any(service: Service, _application: Application) -> str:
    return "it is never started again" if service.restart == "temporary" else ""


def _permanent(service: Service, _application: Application) -> str:
    return "" if service.restart == "permanent" else "its restart is not permanent"


def _with_heartbeat(service: Service, application: Application) -> str:
    return _any(service, application) if service.heartbeat_ms else "it has no heartbeat_ms"


def _server(service: Service, application: Application) -> str:
    if service.hard:
        return "it is a hard driver"
    for other in application.services:
        for use in other.uses:
            is_for_it = use.target == service.name and not use.is_implied
            if is_for_it and use.rights & RIGHTS["call"]:
                return ""
    return "nobody calls it"


def _late_server(service: Service, application: Application) -> str:
    is_hung = 0 < service.heartbeat_ms <= _LATE_MS
    return "its heartbeat_ms is shorter" if is_hung else _server(service, application)


def _reaching(service: Service, _application: Application) -> str:
    return "" if _rights(service) & _REACHES else "it may reach no other service"


def _speaking(service: Service, application: Application) -> str:
    if not _rights(service) & _SPEAKS:
        return "it may call and send to no other service"
    return _any(service, application)


def _holding(service: Service, application: Application) -> str:
    return _any(service, application) if service.uses or service.lines else "it has no capability"


def _copying(service: Service, application: Application) -> str:
    return _speaking(service, application) if service.slots else "it has no slots"


def _updated(service: Service, application: Application) -> str:
    if UPDATER not in (one.name for one in application.services):
        return "the application has no updater"
    is_updater = service.name == UPDATER
    return "it does not replace itself" if is_updater else _any(service, application)


def _not_supervisor(service: Service, application: Application) -> str:
    is_supervisor = service.name == "supervisor"
    return "the kernel starts it" if is_supervisor else _any(service, application)


def _button(service: Service, _application: Application) -> str:
    has_pin = not service.hard and any(line.source == "pin" for line in service.lines)
    return "" if has_pin else "it has no line of a pin"


def _supervisor(service: Service, _application: Application) -> str:
    return "" if service.name == "supervisor" else "it is not the supervisor"


def _watchdog(service: Service, _application: Application) -> str:
    return "" if service.name == "watchdog" else "it is not the watchdog"


def _rights(service: Service) -> int:
    rights = 0
    for use in service.uses:
        if use.target != KERNEL:
            rights |= use.rights
    return rights


def _at_reply(
    name: str, meaning: str, ends: Ends = Ends.NOBODY, fault: str = "", fits: Fits = _server
) -> Kind:
    faults = (fault,) if fault else ()
    return Kind(name=name, meaning=meaning, ends=ends, faults=faults, fits=fits, waits=True)


def _fault(
    name: str, meaning: str, *faults: str, fits: Fits = _any, words: str = "", starts: int = 1
) -> Kind:
    return Kind(name=name, meaning=meaning, faults=faults, fits=fits, words=words, starts=starts)


def _of_the_heap(name: str, meaning: str) -> Kind:
    faults = "MEMORY", "BUDGET"
    return Kind(name=name, meaning=meaning, faults=faults, fits=_any, spills="MEMORY")


def _outside(
    name: str, meaning: str, ends: Ends, fits: Fits | None, *, is_emulated: bool = True
) -> Kind:
    return Kind(
        name=name,
        meaning=meaning,
        ends=ends,
        fits=fits,
        faults=("STORM",) if ends is Ends.PERHAPS else (),
        is_emulated=is_emulated,
    )


_ALL = (
    _fault("crash", "raise an exception", "EXCEPTION", words="InjectedCrash"),
    _fault("return", "return from main", "RETURNED", fits=_permanent),
    _fault("spin", "run for ever without yielding", "BUDGET"),
    _fault("spin-in-c", "run for ever inside long C calls", "BUDGET"),
    _fault("catch-kill", "run for ever, and catch the kill for it", "BUDGET"),
    _fault(HANG, "sleep for ever", "HEARTBEAT", fits=_with_heartbeat),
    _of_the_heap("leak", "allocate memory without end"),
    _of_the_heap("memory-full", "fill the heap to the last block"),
    _fault("forged-handle", "use a handle it never got", "SYSCALL", words="NoRight"),
    _fault("stale-handle", "use a handle it gave up", "SYSCALL", fits=_holding, words="NoRight"),
    _fault(
        *("revoked-handle", "use a handle that was revoked", "EXCEPTION"),
        fits=_copying,
        words=f"answers {abi.DEAD}",
    ),
    _fault("bad-trap", "make a trap that means nothing", "SYSCALL", words="NoRight"),
    _fault("bad-message", "send a list", "SYSCALL", fits=_speaking, words="BadMessage"),
    _fault(
        *("kill-in-start", "be killed, and killed again in its start", "EXCEPTION"),
        fits=_not_supervisor,
        words="killed in its start",
        starts=2,
    ),
    Kind(
        name=KILL_IN_UPDATE,
        meaning="be killed while new code is put in its place",
        ends=Ends.PERHAPS,  # before it has received, new code gives way to the old in silence
        faults=("EXCEPTION",),
        fits=_updated,
    ),
    _at_reply("kill-in-call", "be killed before its next reply", Ends.TARGET, "EXCEPTION"),
    _at_reply("protocol-error", "fault its next caller", Ends.CLIENT, "PROTOCOL"),
    _at_reply("drop-reply", "swallow its next reply, so that its client gets TIMEOUT"),
    _at_reply("late-reply", "reply when its client has given up", fits=_late_server),
    _at_reply("double-reply", "reply twice"),
    _at_reply("wrong-reply", "reply nonsense"),
    Kind(
        name=FLOOD,
        meaning="use all its capabilities 100 times, as fast as it goes",
        ends=Ends.PERHAPS,  # by who is flooded, and may call it a breach of the protocol
        faults=("PROTOCOL",),
        fits=_reaching,
        waits=True,
    ),
    Kind(
        name="supervisor-kill",
        meaning="make the supervisor raise",
        faults=("EXCEPTION",),
        fits=_supervisor,
    ),
    Kind(
        name="watchdog-starvation",
        meaning="make the watchdog service sleep for ever, so that the hardware resets the board",
        ends=Ends.BOARD,
        fits=_watchdog,
        words="ran when the watchdog fired",
    ),
    _outside(
        *("link-noise", "random bytes, damaged and cut frames on the link", Ends.NOBODY),
        fits=None,
        is_emulated=False,
    ),
    _outside(
        *("interrupt-storm", "1,000 pulses on its pin in 250 ms, or one too many"),
        *(Ends.PERHAPS, _button),
        is_emulated=False,
    ),
    _outside("lost-interrupt", "an edge on its pin that no interrupt tells", Ends.NOBODY, _button),
    Kind(
        name="clock-jump",
        meaning="the processor stands still for 1 s, or up to 5 s while it idles",
        ends=Ends.NOBODY,
        fits=None,
        spills="BUDGET",  # of whose step is under way
    ),
    _outside("reset", "the reset button, or its order", Ends.BOARD, None, is_emulated=False),
    _outside("power-cut", "power off and on", Ends.BOARD, None),
)
KINDS = {kind.name: kind for kind in _ALL}


def why_not(kind: Kind, target: str, application: Application) -> str:
    """Return why a target cannot fail in that way, empty if it can."""
    if kind.fits is None:
        return "" if target == BOARD else f"its target is {BOARD!r}"
    for service in application.services:
        if service.name == target:
            return kind.fits(service, application)
    return "the application has no such service"


def targets_of(kind: Kind, application: Application) -> tuple[str, ...]:
    """Return all that can fail in that way."""
    if kind.fits is None:
        return (BOARD,)
    names = (service.name for service in application.services)
    return tuple(name for name in names if not why_not(kind, name, application))
