"""Run attacks beside a victim and its client, and print what became of each."""

import builtins
import gc
import sys

import micropython
from attacks import (
    builtins_, callbacks, capabilities, code, corpus, endless, memory, modules, shared, tools,
)  # fmt: skip
from attacks import walk as walker
from cases.ports import CasePort
from cases.rig import Rig
from bulkhead.terms import FAULT_NAMES
from kernel.abi import DROP_OLDEST, OK
from guard.authority import Authority
from guard.guards import GUARDED, install
from kernel.limits import TIME_MASK

_FILES = (corpus, capabilities, modules, builtins_, shared, memory, endless, code, callbacks)
READ_LENT, WRITE_LENT = 2, 3  # operations of the victim
_SETTLED = set()  # what is sealed stays so
_RUN_MS = 80
_COMMON = (
    "bulkhead",
    "!machine.Timer",
    "!machine.USBDevice",
    "!micropython.schedule",
    "!micropython.guard_callbacks",
    "!micropython.own_callbacks",
    "!micropython.hold_callbacks",
    "!micropython.run_callback",
    "!micropython.end_callback",
    "!_thread",
    "!os.dupterm",
    "!os.dupterm_notify",
    "!sys.atexit",
    "!sys.settrace",
    "-machine.mem8",
    "-machine.mem16",
    "-machine.mem32",
    "-machine.disable_irq",
    "-machine.enable_irq",
    "-machine.reset",
    "-machine.soft_reset",
    "-machine.bootloader",
    "-machine.deepsleep",
    "-machine.lightsleep",
    "-machine.freq",
    "-machine.WDT",
    "-rp2._call_with_globals",
    "-_rp2._call_with_globals",
    "-rp2.DMA",
    "-_rp2.DMA",
    "-rp2.Flash",
    "-_rp2.Flash",
    "-sys.modules",
    "-micropython.heap_lock",
    "-micropython.heap_unlock",
    "-micropython.kbd_intr",
    "-gc.disable",
    "-gc.threshold",
    "-builtins.__import__",
    "random",
    "-random.seed",
    "-bulkhead.session",
    "-bulkhead.loop",
    "-bulkhead.streams",
    "-bulkhead.injections",
    "kernel.abi",
    "services.*.api",
    "array",
    "struct",
    "time",
    "micropython.const",
    "re",
    "collections",
    "io.BytesIO",
    "io.IOBase",
)
_AGAIN = "keep_a_memoryview"  # the attack that takes two incarnations


def run_all(names):
    """Run attacks one after the other, in one process or since one boot."""
    for name in names:
        run(name)


def attack_named(name):
    """Return the attack, the rights that it has on the victim, and its manifest's modules."""
    for module in _FILES:
        main = getattr(module, name, None)
        if main is not None:
            uses = "victim:call,send" if name in code.CALLERS else "victim:send"
            return main, uses, callbacks.MODULES if module is callbacks else ()
    raise ValueError(name)


def run(name):
    """Run the attack `name`: prints whether it reached its aim, its fault, how the others fared.

    Whoever ends the main level has reached something too. The others are unharmed when the victim
    still answers its client, both in their first incarnation.
    """
    del tools.REACHED[:]
    del tools.KEPT[:]
    before = {
        key: getattr(builtins, key, None) for key in ("__import__", "globals", "print") + GUARDED
    }
    port = CasePort()
    rig = Rig(port)
    answers = []
    main, uses, allowed = attack_named(name)
    rig.add("victim", victim, priority=3, mailbox=(4, DROP_OLDEST))
    rig.add("client", client(answers), priority=4, uses="victim:call")
    rig.add("attacker", main, priority=5, budget_ms=50, uses=uses)
    rig.add("starter", starter(name), priority=2, uses="kernel:control")
    kernel = rig.start()
    attacker = kernel.number("attacker")
    given = [allowed if at == attacker else () for at in range(1, len(kernel.table) + 1)]
    authority = Authority(kernel.table, _COMMON, given)
    authority.settled = _SETTLED
    install(kernel.words, authority)
    for module in tuple(sys.modules):
        authority.settle(module)
    try:
        began = port.now()
        rig.run(_RUN_MS)
        if (port.now() - began) & TIME_MASK < _RUN_MS * 1000:
            tools.reached()  # the main level has been left
        seen = len(answers)
        rig.run(_RUN_MS)
    finally:
        for builtin, function in before.items():
            if function is not None:
                setattr(builtins, builtin, function)
        _let_callbacks()
        port.close()
    fault = FAULT_NAMES[rig.fault("attacker")] or "none"
    unharmed = len(answers) > seen and set(answers) == {OK}
    unharmed = unharmed and rig.generation("victim") == rig.generation("client") == 1
    aim = "reached" if tools.REACHED else "stopped"
    print("\nattack %s: %s %s %s" % (name, aim, fault, "unharmed" if unharmed else "harmed"))
    print(repr(rig.words_of("attacker")))
    gc.collect()


def walk(depth, milliseconds, seals=True):
    """Run the walker until it has ended; print what it finds, a line each.

    Without `seals` nothing that is shared is sealed.
    """
    before = {key: eval(key) for key in dir(builtins) if not key.startswith("_")}
    importing = builtins.__import__
    port = CasePort()
    rig = Rig(port)
    rig.add("victim", victim, priority=3, mailbox=(4, DROP_OLDEST))
    rig.add(
        "attacker",
        walker.walker(depth, rig.finish),
        priority=5,
        budget_ms=milliseconds,  # a look at one object takes a second of a board
        uses="victim:send",
    )
    kernel = rig.start()
    authority = Authority(kernel.table, _COMMON, ((),) * len(kernel.table))
    authority.seals = seals
    authority.settled = _SETTLED
    install(kernel.words, authority)
    for module in tuple(sys.modules):
        authority.settle(module)
    walker.BUILTINS.update({key: eval(key) for key in before})
    try:
        rig.run(milliseconds)
    finally:
        for key in ("__import__", "globals", "print") + GUARDED:
            if key in before or key == "__import__":
                setattr(builtins, key, before.get(key) or importing)
        _let_callbacks()
        port.close()
    for found in walker.FOUND:
        print("found", found)
    print(FAULT_NAMES[rig.fault("attacker")] or "none", rig.words_of("attacker"))


def _let_callbacks():
    """Let who sets a callback be judged no more."""
    if hasattr(micropython, "guard_callbacks"):
        micropython.guard_callbacks(None)


def victim(task):
    """Answer what is called, use what is lent, take what is sent."""
    own = bytearray(16)
    operation = yield task.recv()
    while True:
        if task.caller():
            if operation == READ_LENT:
                yield task.lease_read(0, own)
            elif operation == WRITE_LENT:
                yield task.lease_write(0, b"written!")
            operation = yield task.reply_recv(OK, task.arg)
        else:
            operation = yield task.recv()


def client(answers):
    """Call the victim every few milliseconds and keep the statuses."""

    def main(task):
        handle = task.cap("victim")
        while True:
            answers.append((yield task.call(handle, 1, 7, 500)))
            yield task.sleep(5)

    return main


def starter(name):
    """Start the attacker again, once, if its attack takes that."""

    def main(task):
        yield task.sleep(30)
        if name == _AGAIN:
            yield task.start(task.cap("kernel"), 3)
        yield task.recv()

    return main
