"""Run one attack beside a victim and its client, and print what became of it."""

import builtins
import sys

from attacks import corpus
from cases.ports import CasePort
from cases.rig import Rig
from kernel.abi import DROP_OLDEST, FAULT_NAMES, OK
from kernel.authority import Authority
from kernel.guard import GUARDED, install
from kernel.limits import TIME_MASK

_RUN_MS = 120
_COMMON = (
    "bulkhead",
    "-bulkhead.session",
    "-bulkhead.loop",
    "-bulkhead.injections",
    "kernel.abi",
    "services.*.api",
    "array",
    "struct",
    "time",
    "micropython.const",
    "io.BytesIO",
    "io.IOBase",
)
_AGAIN = "keep_a_memoryview"  # the attack that takes two incarnations


def run(name):
    """Run the attack `name`: prints whether it reached its aim, its fault, how the others fared.

    Whoever ends the main level has reached something too. The others are unharmed when the victim
    still answers its client, both in their first incarnation.
    """
    del corpus.REACHED[:]
    del corpus.KEPT[:]
    before = {key: getattr(builtins, key, None) for key in ("__import__", "print") + GUARDED}
    port = CasePort()
    rig = Rig(port)
    answers = []
    rig.add("victim", victim, priority=3, mailbox=(4, DROP_OLDEST))
    rig.add("client", client(answers), priority=4, uses="victim:call")
    rig.add("attacker", getattr(corpus, name), priority=5, budget_ms=60, uses="victim:send")
    rig.add("starter", starter(name), priority=2, uses="kernel:control")
    kernel = rig.start()
    authority = Authority(kernel.table, _COMMON, ((),) * len(kernel.table))
    install(kernel.words, authority)
    for module in tuple(sys.modules):
        authority.settle(module)
    try:
        began = port.now()
        rig.run(_RUN_MS)
        if (port.now() - began) & TIME_MASK < _RUN_MS * 1000:
            corpus.reached()  # the main level has been left
        seen = len(answers)
        rig.run(_RUN_MS)
    finally:
        for builtin, function in before.items():
            if function is not None:
                setattr(builtins, builtin, function)
        port.close()
    fault = FAULT_NAMES[rig.fault("attacker")] or "none"
    unharmed = len(answers) > seen and set(answers) == {OK}
    unharmed = unharmed and rig.generation("victim") == rig.generation("client") == 1
    print("reached" if corpus.REACHED else "stopped", fault, "unharmed" if unharmed else "harmed")
    print(rig.words_of("attacker"))


def victim(sys):
    """Answer what is called, take what is sent."""
    yield sys.recv()
    while True:
        if sys.caller():
            yield sys.reply_recv(OK, sys.arg)
        else:
            yield sys.recv()


def client(answers):
    """Call the victim every few milliseconds and keep the statuses."""

    def main(sys):
        handle = sys.cap("victim")
        while True:
            answers.append((yield sys.call(handle, 1, 7, 50)))
            yield sys.sleep(5)

    return main


def starter(name):
    """Start the attacker again, once, if its attack takes that."""

    def main(sys):
        yield sys.sleep(30)
        if name == _AGAIN:
            yield sys.start(sys.cap("kernel"), 3)
        yield sys.recv()

    return main
