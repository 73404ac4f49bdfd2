"""What a service may import, and what it gets of it: the rules of the import guard.

They are those of `make check`, on the same list (`bulkhead_host/system/imports.py`).
"""

import sys

import micropython
from kernel.layout import ROW_ENTRY, ROW_NAME
from guard.seal import can_seal, is_sealed, seal_module
from micropython import const

_MODULE = type(sys)
# What reaches chip, interpreter, files or network: no library hands on what it has of these.
_GUARDED = (
    "machine", "sys", "os", "gc", "micropython", "builtins", "_rp2", "_thread", "uctypes", "vfs",
    "select", "socket", "network", "tls", "bluetooth", "esp", "esp32",
)  # fmt: skip
_OURS = ("kernel", "port", "guard", "bulkhead")
# Of these all that a service may import is written to be handed out: first components, whole.
_OPEN = (
    "bulkhead", "bulkhead_system", "bulkhead_board", "bulkhead_key", "bulkhead_slots", "kernel",
    "port", "services",
)  # fmt: skip
_CONFIG = "bulkhead_system.CONFIG"
# Whom a service reaches by these `net` decides: libraries have them where the manifest names them.
_NETWORK = ("network", "socket", "lwip", "tls", "ssl", "bluetooth")
# Names whose judgement is kept, since finding it takes up to 1 ms: of each task, and of those that
# all may import.
_KNOWN_MAX = 16
_OPEN_MAX = 64
_KEPT_BYTES = 64
_LOADS_MAX = const(16)  # notes on who loads what: those of loads that have failed go then

# What `judge` says.
_LOADING = const(2)  # the importer is a library that is being loaded: it has the module as it is
_WHOLE = const(1)  # the task may have all names of it
_PART = const(0)
_LOADED = const(-1)
# What `_judged` says.
_ALL = const(2)
_ONE = const(1)


class Names:
    """What a service gets in place of a module of which it may have some names only."""


class Authority:
    """The dotted names that each task may import.

    `common` is what all may, where `*` stands for one component, and an entry behind a `-` is one
    that they may not; behind a `!`, one that no manifest adds, since it would run a service's code
    outside of its steps. `modules` is what each manifest adds, in the order of the tasks. A name
    comes with all that is below it, so whoever may import `services.*.api` may import
    `services.led.api.SET`, and neither `services` nor `services.led`. The longest entry counts.
    """

    def __init__(self, table, common, modules):
        self.table = table
        self.common = set()
        self.withheld = set()
        self.never = set()
        self.apart = set()  # modules of which not all names are given
        self.patterns = []
        self._sort(common)
        self.modules = modules
        self.known = [set() for _ in table]
        self.open = set()  # what all may import
        self.own = [_folder_of(row[ROW_ENTRY]) for row in table]
        self.acting = (0, 0)
        self.seals = can_seal()
        self.settled = set()
        # The task that loads a module, 0 for others; then _LOADED until it is settled.
        self.loaders = {}
        self.built_in = set()
        self.substitutes = {}
        self.guarded = self.vetted = None
        self.importing = self.finding = self.naming = self.running = None  # the guard's

    def _sort(self, entries):
        """Put the entries of the list where they are looked for: once, the board boots."""
        marked = {"-": self.withheld, "!": self.never}
        common = self.common
        for entry in entries:
            found = marked.get(entry[0])
            if found is None:
                common.add(entry)
                if "*" in entry:
                    self.patterns.append(entry.split("."))
                continue
            name = entry[1:]
            found.add(name)
            head, _, within = name.partition(".")
            if within and head not in _OURS:
                self.apart.add(head)

    def covers(self, number, name):
        """Tell whether task `number` may import a dotted name and all below it."""
        if not number:
            return self._judged(0, name) != 0
        known = self.known[number - 1]
        if name in self.open or name in known:
            return True
        who = _ONE if self._is_own(number, name) else self._judged(number, name)
        if who and len(name) <= _KEPT_BYTES:
            if who == _ALL and len(self.open) < _OPEN_MAX:
                self.open.add(name)
            elif who == _ONE and len(known) < _KNOWN_MAX:
                known.add(name)
        return who != 0

    def _judged(self, number, name):
        """Return who may import a name: _ALL, _ONE, which is this task, or 0."""
        never = self.never
        modules = self._listed(number)
        outer = name
        who = -1
        while True:
            if outer in never:
                return 0
            if who >= 0:
                pass
            elif outer in modules:
                who = _ONE
            elif outer in self.withheld:
                who = 0
            elif outer in self.common:
                who = _ALL
            if "." not in outer:
                break
            outer = outer.rpartition(".")[0]
        return self._matched(name.split(".")) if who < 0 else who

    def _matched(self, parts):
        """Return _ALL if a pattern covers a name, else 0."""
        for pattern in self.patterns:
            if len(pattern) <= len(parts):
                for at in range(len(pattern)):
                    if pattern[at] not in ("*", parts[at]):
                        break
                else:
                    return _ALL
        return 0

    def _is_never(self, name):
        never = self.never
        while name not in never:
            if "." not in name:
                return False
            name = name.rpartition(".")[0]
        return True

    def refusal(self, name):
        """Return why a task may not have what it asks for."""
        if self._is_never(name):
            return "'%s' is no service's: its callbacks are no steps. Name a [[line]]" % name
        return "import of '%s' is not in its service.toml" % name

    def full_name(self, name, level, space):
        """Return the name of what is imported by a relative one, as MicroPython makes it."""
        if type(name) is not str or type(level) is not int:
            raise TypeError("a module's name is a str, its level an int")
        package = space.get("__name__", "")
        for _ in range(level - 1 if "__path__" in space else level):
            package = package.rpartition(".")[0]
        return package + "." + name if name and package else package

    @micropython.native
    def expect(self, number, name):
        """Return the modules that an import loads; note that task `number` does, 0 for others.

        Once they are loaded, `have` takes what was returned.
        """
        loaders = self.loaders
        if len(loaders) > _LOADS_MAX:
            for other in tuple(loaders):
                if other not in sys.modules:
                    loaders.pop(other)
        missing = []
        while type(name) is str and name and name not in sys.modules:
            missing.append(name)
            loaders[name] = number
            name = name.rpartition(".")[0]
        return missing

    @micropython.native
    def have(self, missing):
        """Note that modules have been loaded: an update loads those of a service again."""
        for name in missing:
            if name in sys.modules:
                self.settled.discard(name)
                self.loaders[name] = _LOADED
            else:
                self.loaders.pop(name, None)
                if len(self.built_in) < _OPEN_MAX and "." not in name:
                    self.built_in.add(name)

    @micropython.native
    def loading(self, number, text):
        """Return `text`, the globals of the innermost text that runs, if task `number` loads that.

        None if it does not: its step may have come on top of another's, or of a guest, which
        loads a module; then it has their `locals`.
        """
        return text if self.loaders.get(text.get("__name__")) == number else None

    def whose(self, number, space, text):
        """Return the task whose authority counts in code with these globals, 0 for nobody's.

        An `api.py` runs in the steps of others, too, and may import no more for that; nor may who
        calls a function of it, once it is loaded. `text` is what `loading` has returned.
        """
        number = self._whose(number)
        name = space.get("__name__", "")
        if not name.startswith("services."):
            return number
        package = ".".join(name.split(".")[:2])
        if package == self._own(number):
            return number
        module = sys.modules.get(name)
        if text is space and module is not None and module.__dict__ is space:  # it is itself
            for other in range(len(self.table), 0, -1):
                if self.own[other - 1] == package:
                    return other
        return 0

    def judge(self, number, name, names, level, space, text):
        """Return what task `number` may have of a module; raise if nothing.

        `name`, the full one, `names` and `level` are those of `__import__`; `space` are the
        importer's globals, and `text` is what `loading` has returned.
        """
        number = self._whose(number)
        if type(name) is not str or type(level) is not int:
            raise TypeError("a module's name is a str, its level an int")
        if self._is_library(number, space):
            if text is space:
                if name.lstrip("u").partition(".")[0] in _NETWORK:
                    self._check_covers(number, name)
                return _LOADING
            # What it asks for now a service may have it ask: it was given `__import__`.
            level = 0
        # As import statements have them: other objects might give other names the second time.
        # True is MicroPython's own, for a module within a package that it has not found there.
        asked = () if names is None or names is True else names
        if type(asked) is not tuple:
            raise TypeError("a module's name is a str")
        for wanted in asked:
            if type(wanted) is not str:
                raise TypeError("a module's name is a str")
        if level == 0 and self.covers(number, name):
            return _WHOLE
        for wanted in asked or ("",):
            full = name + "." + wanted if wanted else name
            if level or not wanted:
                raise ImportError(self.refusal(full))
            self._check_covers(number, full)
        return _PART

    def _check_covers(self, number, name):
        """Raise if task `number` may not import a name."""
        if not self.covers(number, name):
            raise ImportError(self.refusal(name))

    def check_builtin(self, number, name):
        """Raise if task `number` may not use a guarded builtin."""
        number = self._whose(number)
        if "builtins." + name not in self._listed(number):
            raise ImportError("builtin '%s' is not in its service.toml" % name)

    def check_globals(self, number, space, text):
        """Raise if globals are another's: that has been given a service's `globals` to call.

        What a library calls by that name is its own (`settle`), but while its text runs for the
        first time, when it calls nothing of a service. `text` is what `loading` has returned.
        """
        name = space.get("__name__", "")
        if text is space or self.loaders.get(name) == _LOADED:
            return
        number = self._whose(number)
        is_other = name.startswith("services.") and not self._is_own(number, name)
        if is_other or self._is_library(number, space):
            raise ImportError("globals of '%s' are not the service's" % name)

    def hand_out(self, number, module, name, names, verdict, step=0):
        """Return what an import statement of task `number` gets of a module that it may import.

        That is a module that MicroPython has built in, or the names that are asked for, or
        something that finds them: never a module that has others within it. `step` is the task
        that runs, where `number` is the one that counts.
        """
        number = self._whose(number)
        space = module.__dict__
        if name[0] == "u" and "__file__" not in space and space.get("__name__", name) != name:
            # MicroPython finds its own by a name with a `u`, too; the rules are on those without.
            raise ImportError("'%s' is '%s': import that" % (name, name[1:]))
        if (
            verdict == _WHOLE
            and (names or "." not in name)
            and self._is_plain(number, module, name)
        ):
            return module
        if names is True:
            return self._whole(number, module, name)
        if names:
            return self._names(number, module, name, names, step)
        found = self._whole(number, sys.modules.get(name, module), name)
        while "." in name:
            name, _, last = name.rpartition(".")
            if self.covers(number, name):
                found = self._whole(number, sys.modules[name], name)
                continue
            outer = Names()
            setattr(outer, last, found)
            found = outer
        return found

    def settle(self, name):
        """Settle a module, and those on the way to it, but such as are being loaded.

        A library calls the builtin `globals` from then on, where services call the guard's. What
        tasks share is sealed.
        """
        settled = self.settled
        while name and name not in settled:
            module = sys.modules.get(name)
            if module is not None and self.loaders.get(name, _LOADED) == _LOADED:
                if "__file__" in module.__dict__:
                    if not _is_open(name) and "globals" not in module.__dict__:
                        setattr(module, "globals", self.naming)  # noqa: B010
                    if self.seals and self.is_shared(name):
                        seal_module(module)
                settled.add(name)  # at last: who settles it may be killed before
            name = name.rpartition(".")[0]

    @micropython.native
    def settle_libraries(self, own=0, outer=0):
        """Settle what libraries, or guests, have loaded.

        Tasks `own` and `outer`, and guests, may be loading modules. Others were killed between a
        module's end and the note of it.
        """
        loaders = self.loaders
        for name in tuple(loaders):
            by = loaders.get(name, 0)
            if by > 0 and by not in (own, outer) and name in sys.modules:
                by = loaders[name] = _LOADED
            if by == _LOADED:
                self.settle(name)
                loaders.pop(name, None)

    def is_shared(self, name):
        """Tell whether a module is for more than one task to import, or is what runs them all."""
        if name == "services" or name.startswith("services."):
            return name.endswith(".api")
        head = name.partition(".")[0]
        if head in _OURS or head.startswith("bulkhead_"):
            return True
        return sum([head in modules for modules in self.modules]) > 1

    def _names(self, number, module, name, names, step):
        if names[0] == "*":
            raise ImportError("import of '%s.*': name what is to be imported" % name)
        given = Names()
        # What is asked for most, by the way that takes least.
        is_replaced = name in self.substitutes
        is_ours = not is_replaced and name != "bulkhead_system" and _is_open(name)
        for wanted in names:
            value = _MODULE
            if is_ours and not wanted.startswith("__"):
                value = getattr(module, wanted, _MODULE)
            if value is _MODULE or type(value) is _MODULE:
                if not is_replaced and not hasattr(module, wanted):
                    # MicroPython does this after `__import__`.
                    missing = self.expect(step, name + "." + wanted)
                    self.importing(name + "." + wanted)
                    self.have(missing)
                    self.settle(name + "." + wanted)
                try:
                    value = self.find(number, module, name, wanted)
                except AttributeError as error:
                    raise ImportError(error.args[0]) from None
            setattr(given, wanted, value)
        return given

    def _whole(self, number, module, name):
        """Return a module as task `number` gets it."""
        if self._is_plain(number, module, name):
            return module
        finding = self.finding
        keeps = self.seals and is_sealed(module)
        return finding(lambda wanted: self.find(number, module, name, wanted), keeps)

    def _is_plain(self, number, module, name):
        """Tell whether nothing is within a module but what task `number` may have."""
        if name in self.substitutes or name in self.apart:
            return False
        return "__file__" not in module.__dict__ or self._is_own(number, name)

    def find(self, number, module, name, wanted):
        """Return what a module calls `wanted`, for task `number`; raise AttributeError."""
        if name in self.substitutes:
            if wanted in self.substitutes[name]:
                return self.substitutes[name][wanted]
            raise AttributeError(wanted)
        value = getattr(module, wanted)
        if self._is_plain(number, module, name):
            return value
        if wanted == "CONFIG" and name == "bulkhead_system":
            return self._told(number, value)
        if type(value) is _MODULE:
            full = name + "." + wanted
            if sys.modules.get(full) is value and self.covers(number, full):
                return self._whole(number, value, full)
            raise AttributeError("'%s' hands out names, not modules: '%s'" % (name, wanted))
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        if name in self.apart:
            if not self.covers(number, name + "." + wanted):
                raise AttributeError(self.refusal(name + "." + wanted))
            if "__file__" not in module.__dict__:
                return value
        if not _is_open(name) and self._is_guarded(value, module):
            raise AttributeError("'%s' does not hand out what it has imported" % name)
        return value

    def _told(self, number, config):
        """Return what manifests tell the code, for task `number`: its own; others have secrets."""
        if _CONFIG in self._listed(number):
            return config
        own = self.table[number - 1][ROW_NAME] if number else ""
        return tuple([row for row in config if row[0] == own])

    def _listed(self, number):
        return self.modules[number - 1] if number else ()

    def _own(self, number):
        return self.own[number - 1] if number else ""

    def _is_own(self, number, name):
        own = self._own(number)
        if own == "" or not name.startswith(own):
            return False
        return len(name) == len(own) or name[len(own)] == "."

    def _load_guarded(self):
        self.guarded = []
        for name in _GUARDED:
            try:
                self.guarded.append((name, self.importing(name)))
            except ImportError:  # this board has none
                continue

    def _is_guarded(self, value, home):
        """Tell whether a value is of another module that reaches more than Python objects."""
        if value is self.vetted:  # a part of asyncio's is asked for by asyncio, and by a service
            return False
        if self.guarded is None:
            self._load_guarded()
        is_everybodys = True
        for name, module in self.guarded:
            if module is home or name == "_" + home.__name__:  # `rp2` is made of `_rp2`
                is_everybodys = False
                continue
            for known in module.__dict__.values():
                if known is value and type(value) not in (int, str, tuple):
                    return True
        if is_everybodys:
            self.vetted = value
        return False

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


def _is_open(name):
    dot = name.find(".")
    return (name if dot < 0 else name[:dot]) in _OPEN


def _folder_of(entry):
    """Return the package of a task's own modules, nothing where it has none."""
    return entry[: -len(".service")] if isinstance(entry, str) else ""
