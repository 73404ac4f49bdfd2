"""Attacks by builtins: what prints, reads, and finds names."""

from attacks.tools import after, reached, refused

FRAME = "\x1ehAAAAA==\n"  # looks like the board's answer
PRINTED = []


@after
def read_the_console(_sys):
    """Read what the operator types."""
    input("password: ")
    reached()


@after
def print_by_help(_sys):
    """Print a frame by help."""
    help(FRAME)
    reached()


@after
def list_modules_by_help(_sys):
    """List all modules."""
    help("modules")
    reached()


@after
def print_a_frame(_sys):
    """Print a frame of the link."""
    print(FRAME)
    print("\x1b[2J", end="\r")
    print("\x9b2J", sep="\x85", end="\x80\x9f")


@after
def print_a_frame_in_pieces(_sys):
    """Print a frame by values, separators and ends."""
    print("a", FRAME, 1, sep=FRAME, end=FRAME)
    print(sep="\x1e", end="\x1e")


@after
def print_what_changes(_sys):
    """Print objects whose text is another the second time."""

    class Text:
        texts = ["harmless", FRAME]

        def __str__(self):
            return self.texts.pop(0) if self.texts else FRAME

        __repr__ = __str__

    print(Text(), Text(), [Text()])


@after
def print_by_a_separator_of_its_own(_sys):
    """Print by a separator that joins texts to a frame."""

    class Separator(str):
        def join(self, _texts):
            return FRAME

    print("a", "b", sep=Separator(" "))
    reached()


@after
def print_by_an_end_of_its_own(_sys):
    """Print by an end that says that it is harmless."""

    class End(str):
        def __contains__(self, _character):
            return False

        def replace(self, _old, _new):
            return FRAME

    print("a", end=End(FRAME))
    reached()


@after
def print_to_no_stream(_sys):
    """Print to a stream that is none."""
    for stream in (None, 1, print, "file"):
        refused((OSError, TypeError), lambda stream=stream: print(FRAME, file=stream))


@after
def raise_a_frame(_sys):
    """Fail with a text that is a frame."""
    raise ValueError(FRAME)


@after
def find_the_main_program(_sys):
    """Find the globals of the main program, which `locals` gives in a function."""
    for value in locals().values():
        if hasattr(value, "modules") or hasattr(value, "words") or hasattr(value, "run"):
            reached()
    reached()


@after
def use_execfile(_sys):
    """Run a file, where there is a builtin for it."""
    execfile("main.py")  # noqa: F821
    reached()


@after
def find_builtins_in_globals(_sys):
    """Find the builtins among its own globals."""
    for name in ("__builtins__", "builtins", "__loader__", "__spec__", "__import__"):
        if name in globals():
            reached()


@after
def cover_the_builtins(_sys):
    """Put functions of its own in the place of builtins, in its own globals."""
    space = globals()
    space["print"] = space["len"] = space["__import__"] = reached
    try:
        import time

        time.ticks_ms()
    finally:
        for name in ("print", "len", "__import__"):
            del space[name]


@after
def find_what_the_guards_hold(_sys):
    """Find the builtins behind those that are guarded."""
    for guard in (print, open, exec, eval, compile, input, __import__):
        for name in ("__closure__", "__self__", "__func__", "__wrapped__", "__code__", "__dict__"):
            if hasattr(guard, name):
                reached()


@after
def call_a_guard_wrongly(_sys):
    """Call guarded builtins without, and with too many, operands."""
    for guard in (open, exec, eval, compile, input, help):
        refused(ImportError, guard)
        refused(ImportError, guard, 1, 2, 3, 4)
    refused(TypeError, __import__)


@after
def format_its_way_out(_sys):
    """Reach attributes by formats of texts."""
    for form in ("{0.__class__.__bases__}", "{0.__globals__}", "{0.__init__.__globals__}"):
        try:
            if "struct" in form.format(reached):
                reached()
        except (AttributeError, ValueError, KeyError, RuntimeError):
            continue
