"""The import guard: at run time too a service reaches only what its manifest names.

MicroPython calls `builtins.__import__` for every import statement, and what is assigned there
takes its place. The guards are closures, compiled, for three reasons: what they hold cannot be
read from outside, they run in the globals of whoever imports (a relative import is found by
them), and they soon let the kernel, the port and the guest through.

Where functions have `__globals__` a service reads this module's through a guard. They are the
functions below, which give nothing to who may not import `builtins`.
"""

import micropython
from kernel.layout import ARMED, OUTER, RECORD_SHIFT, RUNNING_TASK, STACK_HARD, STACK_WORDS
from micropython import const

GUARDED = ("compile", "eval", "exec", "execfile", "help", "input", "locals", "open")
# Of a number in a format: sizes beyond it wrap around on the way.
_COUNT_DIGITS = const(5)
_FORMS_KEPT = const(32)
_CODES = "bBhHiIlLqQefdsx"
_NO_CALLBACKS = "a service has no callbacks: its manifest names a [[line]], which notifies it"


def install(words, authority, outlet=None, shares=None):
    """Guard imports, callbacks, and the builtins that would get around them, from now on.

    `outlet` is where what services print goes, if there is a console. `shares` says whether a hard
    step runs, on a port that has those.
    """
    import builtins

    importing = authority.importing = builtins.__import__
    authority.finding = view
    judge = authority.judge
    whose = authority.whose
    settle = authority.settle
    settle_libraries = authority.settle_libraries
    hand_out = authority.hand_out
    caller = authority.naming = globals
    running = authority.running = locals
    loading = authority.loading
    expect = authority.expect
    have = authority.have
    full_name = authority.full_name
    modules = importing("sys").modules
    built_in = authority.built_in

    # Not one global name is in it, nor a `try`: that would make `globals` its own, and not the
    # caller's. MicroPython's `locals` are the globals of the text that was begun last and has not
    # ended, in a function too.
    @micropython.native
    def guard(name, space=None, local=None, names=None, level=0):
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        is_free = number == 0 or words[ARMED] == 0
        space_of = caller()
        full = full_name(name, level, space_of) if level else name
        if not is_free:
            text = loading(number, running())
            by = whose(number, space_of, text)
            verdict = judge(by, full, names, level, space_of, text)
        missing = None if full in modules or full in built_in else expect(number, full)
        module = importing(name, space, local, names, level)
        if missing:
            have(missing)
        if is_free:
            return module
        if verdict == 2:
            return module
        settle_libraries(number if text else 0, words[OUTER] >> RECORD_SHIFT)
        settle(full)
        return hand_out(by, module, full, names, verdict, number)

    for name in GUARDED:
        if hasattr(builtins, name):
            setattr(builtins, name, guarded(words, authority, name, getattr(builtins, name)))
    say = outlet.say if outlet else None
    setattr(builtins, "print", printing(words, print, say))  # noqa: B010
    setattr(builtins, "globals", naming(words, authority))  # noqa: B010
    setattr(builtins, "__import__", guard)  # noqa: B010
    space = globals()
    if "micropython" in space:  # the decorators' name: the compiler alone looks at it
        space.pop("micropython")
    substitute(authority, importing)
    guarding = getattr(importing("micropython"), "guard_callbacks", None)
    if guarding:  # an image of ours
        guarding(registering(words, shares.words if shares else bytes(STACK_WORDS)))


def registering(words, hard):
    """Return what MicroPython calls before it keeps a callback: it raises where a service asks.

    In an interrupt that is a hard step; others are a guest's, whatever they have interrupted.
    """

    @micropython.native
    def guard_callbacks(is_interrupt):
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        if hard[STACK_HARD] or (number and words[ARMED] and not is_interrupt):
            raise RuntimeError(_NO_CALLBACKS)

    return guard_callbacks


def guarded(words, authority, name, builtin):
    """Return what takes the place of a builtin. Its code is in the caller's globals, too."""
    check = authority.check_builtin
    whose = authority.whose
    loading = authority.loading
    caller = authority.naming
    running = authority.running

    @micropython.native
    def guard_builtin(*operands, **named):
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        if number and words[ARMED]:
            check(whose(number, caller(), loading(number, running())), name)
        return builtin(*operands, **named)

    return guard_builtin


def naming(words, authority):
    """Return what takes the place of `globals`: a library that calls it back gives nothing."""
    builtin = authority.naming
    running = authority.running
    check = authority.check_globals
    loading = authority.loading

    @micropython.native
    def guard_globals():
        space = builtin()
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        if number and words[ARMED]:
            check(number, space, loading(number, running()))
        return space

    return guard_globals


def printing(words, builtin, say):
    """Return what takes the place of `print`: a service prints text, and nothing that acts."""

    @micropython.native
    def guard_print(*values, **named):
        if words[RUNNING_TASK] >> RECORD_SHIFT and words[ARMED] and "file" not in named:
            text = printable(values, **named)
            if say:
                say(text)
            else:
                builtin(text, end="")
        else:
            builtin(*values, **named)

    return guard_print


def printable(values, sep=" ", end="\n"):
    """Return the text that a service prints."""
    if type(sep) is not str or type(end) is not str:
        raise TypeError("print puts a str between values, and behind them")
    text = sep.join([str(value) for value in values])
    return _harmless(text) + (end if end == "\n" else _harmless(end))


def _harmless(text):
    """Return a text with `?` for control characters, C0 and C1, but line feeds and tabs.

    They are a frame's mark, and what terminals and tools obey.
    """
    data = text.encode()
    if data and (min(data) < 32 or b"\x7f" in data):  # looking for each takes 1 ms
        for code in range(32):
            if code not in (9, 10):
                text = text.replace(chr(code), "?")
        text = text.replace("\x7f", "?")
    if b"\xc2" in data:  # with which C1 begins in UTF-8
        text = "".join([one if one < "\x80" or one >= "\xa0" else "?" for one in text])
    return text


def view(find, keeps):
    """Return an object whose attributes are what `find` gives for their names.

    To find one takes 350 us. It is kept if it is callable, and all are where the module `keeps`
    its values.
    """

    class View:
        def __getattr__(self, name):
            value = find(name)
            if keeps or callable(value):
                setattr(self, name, value)
            return value

    return View()


def substitute(authority, importing):
    """Keep modules from services that would make objects of addresses, or put others in place.

    An image of ours has no type codes for that, and counts that wrap around are errors.
    """
    struct = importing("struct")
    try:
        struct.calcsize("O")
    except ValueError:
        return
    known = {}

    def vetted(form):
        """Return a format that has been looked at; raise ValueError."""
        if type(form) is not str and type(form) is not bytes:
            raise TypeError("a format is a str")
        if form not in known:
            vet(str(form, "ascii") if type(form) is bytes else form)
            if len(known) == _FORMS_KEPT:
                known.clear()
            known[form] = True
        return form

    def with_format(function):
        return lambda form, *operands: function(vetted(form), *operands)

    functions = ("calcsize", "pack", "pack_into", "unpack", "unpack_from")
    authority.substitutes["struct"] = {
        name: with_format(getattr(struct, name)) for name in functions
    }
    # The array's type makes arrays of any code, and everybody who has an array has its type.
    authority.withheld.add("array")


def vet(form):
    """Raise ValueError for a struct's format with codes or counts that reach other memory."""
    digits = 0
    for character in form.lstrip("@=<>!"):
        digits = digits + 1 if character.isdigit() else 0
        if digits > _COUNT_DIGITS or not (digits or character in _CODES):
            raise ValueError("bad typecode")
