"""The import guard: at run time too a service reaches only what its manifest names.

MicroPython calls `builtins.__import__` for every import statement, and what is assigned there
takes its place. The guards are closures, compiled, for three reasons: what they hold cannot be
read from outside, they run in the globals of whoever imports (a relative import is found by
them), and they let the kernel, the port and the guest through in a few microseconds.

A service can read this module's globals through a guard's `__globals__`: they are `install` and
`guarded`, which give nothing to who may not import `builtins`.
"""

import micropython
from kernel.layout import ARMED, RECORD_SHIFT, RUNNING_TASK

GUARDED = ("compile", "eval", "exec", "execfile", "open")


def install(words, authority):
    """Guard imports, and the builtins that would get around them, from now on."""
    import builtins
    from kernel.authority import narrow

    importing = builtins.__import__
    judge = authority.judge
    caller = globals

    @micropython.native
    def guard(name, space=None, local=None, names=None, level=0):
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        if number == 0 or words[ARMED] == 0:
            return importing(name, space, local, names, level)
        whole = judge(number, name, names, level, caller())
        module = importing(name, space, local, names, level)
        return module if whole else narrow(importing, module, name, names)

    for name in GUARDED:
        if hasattr(builtins, name):
            setattr(builtins, name, guarded(words, authority, name, getattr(builtins, name)))
    setattr(builtins, "__import__", guard)  # noqa: B010


def guarded(words, authority, name, builtin):
    """Return what takes the place of a builtin."""
    check = authority.check_builtin

    @micropython.native
    def guard_builtin(*operands, **named):
        number = words[RUNNING_TASK] >> RECORD_SHIFT
        if number and words[ARMED]:
            check(number, name)
        return builtin(*operands, **named)

    return guard_builtin
