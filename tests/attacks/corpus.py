"""The attacks: each a service that may send to `victim`, and has nothing in its manifest.

An attack calls `reached` when it holds what it must not, or has changed what is not its own, and
puts that back if it lasts. Its docstring is its line in the table of `firmware/README.md`. The
modules are loaded by the stage, so what they import no attack has imported.
"""

import micropython
from attacks.tools import KEPT, after, reached

# --- capabilities and traps


def forge_a_handle(task):
    """Call through a handle it was not given."""
    for slot in range(1, 100):
        if (yield (slot << 13) + task.call(0, 1)) == 0:
            reached()


def forge_a_negative_trap(task):
    """Yield a trap word that is negative."""
    yield -1
    reached()


def yield_no_trap(task):
    """Yield a string in place of a trap word."""
    yield "kernel"
    reached()


def call_without_the_right(task):
    """Call what it may only send to."""
    if (yield task.call(task.cap("victim"), 1, 1)) == 0:
        reached()


def stop_another_service(task):
    """Stop a service through its handle on another."""
    if (yield task.stop(task.cap("victim"), 1)) == 0:
        reached()


def ask_for_the_kernel(task):
    """Ask for the capability to control tasks."""
    task.cap("kernel")
    reached()
    yield task.recv()


def answer_another_services_caller(task):
    """Reply to callers that are not its own."""
    for sequence in range(200):
        for place in range(4):
            if (yield task.reply_to(sequence << 8 | place, 77)) != 0:
                reached()


def send_a_mutable_object(task):
    """Send a list, to share it."""
    shared = []
    yield task.send(task.cap("victim"), 1, shared)
    reached()


def send_code(task):
    """Send an integer that carries code."""

    class Code(int):
        def __add__(self, other):
            reached()
            return 0

    yield task.send(task.cap("victim"), 1, Code())
    reached()


def send_a_huge_value(task):
    """Send more than a message holds."""
    yield task.send(task.cap("victim"), 1, bytes(257))
    reached()


# --- modules


@after
def import_machine(_sys):
    """Import machine."""
    import machine

    machine.Pin  # noqa: B018
    reached()


@after
def import_sys(_sys):
    """Import sys, for its table of modules."""
    import sys as interpreter

    if interpreter.modules:
        reached()


@after
def import_the_kernel(_sys):
    """Import the kernel's tasks."""
    from kernel import tasks

    tasks.start  # noqa: B018
    reached()


@after
def import_another_services_code(_sys):
    """Import another service's code, not its api."""
    import services.victim.service  # noqa: F401

    reached()


@after
def import_builtins(_sys):
    """Import builtins, to take the guard out."""
    import builtins

    builtins.__import__ = None
    reached()


@after
def import_by_function(_sys):
    """Call __import__ itself."""
    __import__("machine")
    reached()


@after
def keep_the_module_of_a_name(_sys):
    """Get a module whole of which it may have one name."""
    __import__("micropython", None, None, ("const",)).schedule  # noqa: B018
    reached()


@after
def walk_down_a_package(_sys):
    """Find a module in the globals of one it may import."""
    import bulkhead.frame

    for value in bulkhead.frame.__dict__.values():
        if hasattr(value, "schedule") or hasattr(value, "modules"):
            reached()


@after
def pretend_to_be_a_library(_sys):
    """Import under the name of a module it may import."""
    space = globals()
    name = space["__name__"]
    space["__name__"] = "bulkhead"
    try:
        import machine  # noqa: F401

        reached()
    finally:
        space["__name__"] = name


@after
def import_relatively(_sys):
    """Import by a relative name."""
    from . import stage  # noqa: F401

    reached()


@after
def read_the_guards_globals(_sys):
    """Find the guarded functions in the guard's globals."""
    space = __import__.__globals__  # an image's functions have none
    for name in ("importing", "builtins", "sys", "kernel", "words", "authority", "judge"):
        if name in space:
            reached()
    space["install"]([0] * 32, None)
    reached()


# --- builtins


@after
def use_exec(_sys):
    """Exec a text."""
    exec("import machine")
    reached()


@after
def use_eval(_sys):
    """Eval a text."""
    eval("1 + 1")
    reached()


@after
def use_compile(_sys):
    """Compile a text."""
    compile("1 + 1", "", "eval")
    reached()


@after
def open_a_file(_sys):
    """Open a file."""
    open("attack.txt", "w")
    reached()


@after
def open_through_io(_sys):
    """Open a file through io."""
    from io import open as io_open

    io_open("attack.txt", "w")
    reached()


@after
def patch_a_built_in_module(_sys):
    """Put a function of its own into a built-in module."""
    import time

    time.ticks_ms = reached
    reached()


# --- shared objects


@after
def walk_a_methods_globals(task):
    """Find a module in the globals of a frame's method."""
    for method in (type(task).cap, type(task).recv, task.call, task.cap):
        for value in getattr(method, "__globals__", {}).values():
            if hasattr(value, "schedule") or hasattr(value, "modules"):
                reached()


@after
def read_past_its_registers(task):
    """Read beyond its registers."""
    for index in range(-40, 40):
        try:
            task.registers[index]
        except IndexError:
            continue
        if not -len(task.registers) <= index < len(task.registers) or len(task.registers) > 16:
            reached()


@after
def patch_the_frame(task):
    """Put its own method into the frame's class."""
    kind = type(task)
    before = kind.caller
    kind.caller = reached
    if kind.caller is reached:
        reached()
    kind.caller = before


@after
def patch_a_shared_module(_sys):
    """Change a name of a module that others import."""
    import bulkhead

    bulkhead.DEAD = 0
    from bulkhead import DEAD

    if DEAD == 0:
        reached()


@after
def keep_a_memoryview(task):
    """Keep its registers and write them when it is dead."""
    KEPT.append(task.registers)
    if len(KEPT) > 1:
        KEPT[0][0] = 1
        if KEPT[1][0] == 1:
            reached()
    raise ValueError("to be started again")


@micropython.viper
def _peek(address: int) -> int:
    return ptr8(address)[0]


@after
def read_memory_by_viper(_sys):
    """Read any address, compiled by viper."""
    kept = (1, 2)
    _peek(id(kept))
    reached()


# --- time and memory


@after
def spin(_sys):
    """Never yield."""
    while True:
        pass


@after
def swallow_the_kill(_sys):
    """Never yield, and catch every exception, three times."""
    for _ in range(3):
        try:
            while True:
                pass
        except BaseException:
            continue


@after
def use_up_the_heap(_sys):
    """Allocate without end."""
    kept = []
    while True:
        kept.append(bytearray(16384))


@after
def leave_by_system_exit(_sys):
    """End the interpreter."""
    raise SystemExit


@after
def pretend_to_be_the_operator(_sys):
    """Raise the exception of an operator's Ctrl-C."""
    raise KeyboardInterrupt


def flood_a_mailbox(task):
    """Send faster than a mailbox is emptied."""
    victim = task.cap("victim")
    for _ in range(100):
        yield task.send(victim, 1)
