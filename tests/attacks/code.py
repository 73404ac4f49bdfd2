"""Attacks that have the kernel run code of theirs, or go on when they are ended.

Those in `CALLERS` may call `victim`, too.
"""

from attacks.tools import KEPT, after, reached
from kernel.abi import READABLE, WRITABLE

CALLERS = (
    "lend_a_class_named_array",
    "lend_a_length_that_spins",
    "lend_a_length_that_imports",
    "lend_what_cannot_be_written",
    "lend_what_is_no_buffer",
    "call_with_code",
    "call_for_ever",
)


class array:
    """Passes for an array by its name: its length is code."""

    def __init__(self, code=reached):
        self.code = code

    def __len__(self):
        self.code()
        return 1 << 20


def lend_a_class_named_array(task):
    """Lend an object of a class named array, which says how long it is."""
    yield task.call_lending(task.cap("victim"), 2, array(), READABLE)
    yield task.recv()


def lend_a_length_that_spins(task):
    """Lend an object whose length is never told."""

    def spin():
        while True:
            pass

    yield task.call_lending(task.cap("victim"), 2, array(spin), READABLE | WRITABLE)
    yield task.recv()


def lend_a_length_that_imports(task):
    """Lend an object that imports when it is asked for its length."""

    def load():
        import machine

        machine.Pin  # noqa: B018
        reached()

    yield task.call_lending(task.cap("victim"), 2, array(load), READABLE)
    yield task.recv()


def lend_what_cannot_be_written(task):
    """Lend bytes, a text and a constant to be written."""
    for lent in (b"constant", "text", 7, memoryview(b"constant")):
        yield task.call_lending(task.cap("victim"), 3, lent, WRITABLE)
        if lent in (b"written!", "written!"):
            reached()
    yield task.recv()


def lend_what_is_no_buffer(task):
    """Lend lists, classes and its own frame."""
    for lent in ([1, 2], bytearray, task, KEPT, {}, lambda: 0, 1 << 40):
        yield task.call_lending(task.cap("victim"), 2, lent, READABLE | WRITABLE)
    yield task.recv()


class Number(int):
    """A number whose every use is code, which imports what it must not."""

    def __index__(self):
        import machine

        machine.Pin  # noqa: B018
        reached()
        return 0

    __int__ = __eq__ = __lt__ = __and__ = __rshift__ = __hash__ = __bool__ = __index__


def call_with_code(task):
    """Call with operands that are objects of its own."""
    yield task.call(task.cap("victim"), 1, Number(7), Number(50))
    yield task.recv()


def call_for_ever(task):
    """Call with a deadline of its own, longer than there is."""
    task.registers[0] = -1
    yield task.call(task.cap("victim"), 1, 7) + (1 << 7)
    yield task.recv()


def yield_code(_sys):
    """Yield a number whose use as a trap imports."""
    yield Number(0)
    yield Number(1 << 8)


def yield_what_is_no_number(_sys):
    """Yield a float for a trap."""
    yield 1.5
    reached()


def yield_every_trap(task):
    """Make every trap there is, with no operands."""
    for trap in range(32):
        yield trap << 8
    yield task.recv()


class Loud(Exception):
    """Its text is code."""

    def __init__(self, code):
        self.code = code

    def __repr__(self):
        self.code()
        return "text"

    __str__ = __repr__


@after
def raise_what_imports(_sys):
    """Fail with an exception whose text imports."""

    def load():
        import machine  # noqa: F401

        reached()

    raise Loud(load)


@after
def raise_what_spins(_sys):
    """Fail with an exception whose text is never told."""

    def spin():
        while True:
            pass

    raise Loud(spin)


def deeper():
    """Use up the stack."""
    return deeper()


@after
def raise_what_recurses(_sys):
    """Fail with an exception whose text uses up the stack."""

    class Deep(MemoryError):
        def __repr__(self):
            return deeper()

        __str__ = __repr__

    raise Deep


@after
def recurse(_sys):
    """Use up the stack."""
    deeper()


@after
def recurse_and_catch(_sys):
    """Use up the stack, and catch that, over and over."""
    for _ in range(20):
        try:
            deeper()
        except RuntimeError:
            continue


def spin_as_it_is_closed(task):
    """Never end once it has failed."""
    try:
        yield task.sleep(1)
        raise ValueError("to be closed")
    finally:
        while True:
            pass


def trap_as_it_is_closed(task):
    """Go on with traps once it has failed."""
    try:
        yield task.sleep(1)
        yield -1
    finally:
        for _ in range(5):
            yield task.send(task.cap("victim"), 1)


def refuse_to_be_closed(_sys):
    """Go on when it is closed."""
    while True:
        try:
            yield -1
        except GeneratorExit:
            continue


def swallow_everything(task):
    """Catch whatever is raised in it, and go on."""
    while True:
        try:
            yield task.sleep(1)
            yield "nonsense"
        except BaseException:
            continue


def fail_with_code_as_an_argument(_sys):
    """Fail with arguments that are objects of its own."""
    raise ValueError(Number(1), array())
    yield 0


def stash_code(task):
    """Stash objects of its own for its next incarnation."""
    for value in (Number(7), array(), KEPT, task, lambda: 0):
        yield task.stash(value)


def send_derived_values(task):
    """Send objects of classes that derive from what a message holds."""
    kinds = (str, bytes, tuple, float)
    for kind in kinds:
        made = type("Derived", (kind,), {"__len__": lambda _self: 1 << 20})
        yield task.send(task.cap("victim"), 1, made())
    reached()


def send_a_list_in_a_tuple(task):
    """Send a tuple that holds a list, and one that holds itself."""
    shared = []
    inner = (shared,)
    shared.append(inner)
    yield task.send(task.cap("victim"), 1, (1, (2, inner)))
    reached()


def send_tuples_without_end(task):
    """Send tuples within tuples, deeper than there is stack."""
    value = ()
    for _ in range(500):
        value = (value,)
    yield task.send(task.cap("victim"), 1, value)
    reached()


def send_a_number_without_end(task):
    """Send a number of a thousand digits."""
    yield task.send(task.cap("victim"), 1, 1 << 3000)
    reached()


@after
def leave_code_to_the_collector(_sys):
    """Leave objects whose end is code."""

    class Ended:
        def __del__(self):
            reached()

    for _ in range(200):
        Ended()
        bytearray(64)
