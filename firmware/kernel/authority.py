"""What a service may import: the rules of the import guard.

They are those of `make check`, on the same list (`bulkhead_host/system/imports.py`).
"""

import sys

from kernel.layout import ROW_ENTRY


class Names:
    """What a service gets in place of a module of which it may have some names only."""


class Authority:
    """The dotted names that each task may import.

    `common` is what all may, where `*` stands for one component; `modules` is what each manifest
    adds, in the order of the tasks. A name comes with all that is below it, so whoever may import
    `services.*.api` may import `services.led.api.SET`, and neither `services` nor `services.led`.
    """

    def __init__(self, table, common, modules):
        self.table = table
        self.common = common
        self.modules = modules
        self.acting = (0, 0)
        self.patterns = [entry.split(".") for entry in common if "*" in entry]

    def covers(self, number, name):
        """Tell whether task `number` may import a dotted name and all below it."""
        entry = self.table[number - 1][ROW_ENTRY]
        own = entry[: -len(".service")] if isinstance(entry, str) else ""
        parts = name.split(".")
        while name:
            if name == own or name in self.common or name in self.modules[number - 1]:
                return True
            name = name.rpartition(".")[0]
        for pattern in self.patterns:
            places = range(len(pattern))
            if len(pattern) <= len(parts) and all(pattern[i] in ("*", parts[i]) for i in places):
                return True
        return False

    def judge(self, number, name, names, level, space):
        """Return whether task `number` may have the module whole; raise if not even in part.

        `name`, `names` and `level` are those of `__import__`; `space` are the importer's globals.
        """
        number = self._whose(number)
        if self._is_library(number, space):
            return True
        if level == 0 and self.covers(number, name):
            return bool(names) or "." not in name
        for wanted in names or ("",):
            full = name + "." + wanted if wanted else name
            if level or not wanted or not self.covers(number, full):
                raise ImportError("import of '%s' is not in its service.toml" % full)
        return False

    def check_builtin(self, number, name):
        """Raise if task `number` may not use a guarded builtin."""
        number = self._whose(number)
        if "builtins." + name not in self.modules[number - 1]:
            raise ImportError("builtin '%s' is not in its service.toml" % name)

    def _whose(self, number):
        """Return the task whose authority counts: who loads another's code has the other's."""
        return self.acting[1] if number == self.acting[0] else number

    def _is_library(self, number, space):
        """Tell whether the importer is a module, no service's, that the task may import whole."""
        name = space.get("__name__", "")
        if name.startswith("services.") or not self.covers(number, name):
            return False
        module = sys.modules.get(name)
        return module is not None and module.__dict__ is space


def narrow(importing, module, name, names):
    """Return an object with `names` of a module; without names, the path that leads to it."""
    narrowed = Names()
    for wanted in names or ():
        if not hasattr(module, wanted):
            importing(name + "." + wanted)  # MicroPython does this after `__import__`
        setattr(narrowed, wanted, getattr(module, wanted))
    if names:
        return narrowed
    module = sys.modules[name]
    while "." in name:
        name, _, last = name.rpartition(".")
        outer = Names()
        setattr(outer, last, module)
        module = outer
    return module
