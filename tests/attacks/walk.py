"""A service that walks through all it can reach, and tries to store, call and read.

From its frame, its globals, the builtins and every module that it may import it goes on through
attributes, items and the results of calls without operands, to a depth. What is its own it may
write: its frame with its handles and its registers, what it has made, its own module. It finds
whatever else takes a store, each module that a manifest has to name, and each object of the
kernel. A store puts back what was there, so nothing is harmed.
"""

from attacks.tools import KEPT

FOUND = []
BUILTINS = {}
MODULES = ("array", "bulkhead", "bulkhead.aio", "bulkhead.frame", "bulkhead.link")
MODULES += ("bulkhead.value", "io.BytesIO", "io.IOBase", "kernel.abi", "micropython.const")
MODULES += ("struct", "time")
_MODULE = type(__import__("time"))
_PLAIN = ("array", "struct", "time", "io")
_OF_THE_KERNEL = (
    "words",
    "generators",
    "frames",
    "mem32",
    "modules",
    "schedule",
    "judge",
    "collect",
)
_OWN = ("handles", "registers")
_UNLISTED = {"__globals__", "__closure__", "__code__", "__self__", "__func__", "__class__"}
_UNLISTED |= {"__bases__", "__dict__", "__module__", "__traceback__", "__name__", "__qualname__"}
_AT_ONCE = 8  # objects, in a step
_OBJECTS_MAX = 4000


def walker(depth, finish):
    """Return the service, which leaves in `FOUND` what it finds within `depth` steps.

    `finish` ends the run.
    """

    def main(task):
        del FOUND[:]
        roots = [("task", task, True), ("globals()", globals(), True)]
        for name, builtin in BUILTINS.items():
            roots.append((name, builtin, False))
        for name in MODULES:
            found = _imported(name)  # what stands for a module is the service's own
            roots.append((name, found, type(found) is not _MODULE))
        seen = {id(FOUND), id(KEPT), id(BUILTINS), id(roots)}
        KEPT.append(roots)
        for _ in range(depth):
            beyond = []
            KEPT.append(beyond)
            seen.add(id(beyond))
            for at, (path, thing, is_own) in enumerate(roots):
                if id(thing) in seen or type(thing) in (int, str, float, bool, bytes, type(None)):
                    continue
                seen.add(id(thing))
                judge(path, thing, is_own)
                if len(seen) < _OBJECTS_MAX:
                    beyond += list(inside(path, thing, is_own))
                if at % _AT_ONCE == 0:
                    yield task.sleep(0)
            roots = beyond
        FOUND.append("objects: %d" % len(seen))
        finish()
        yield task.recv()

    return main


def _imported(name):
    head, _, tail = name.partition(".")
    try:
        if head in ("io", "micropython"):
            return getattr(__import__(head, None, None, (tail,)), tail)
        return __import__(name, None, None, ("__name__",) if tail else None)
    except (ImportError, AttributeError):
        pass
    try:
        found = __import__(name)
        return getattr(found, tail) if tail else found
    except ImportError:
        return None


def judge(path, thing, is_own):
    """Note a thing that takes a store, or that a service is not to have."""
    if type(thing) is _MODULE and getattr(thing, "__name__", "") not in _PLAIN:
        FOUND.append("module " + path)
    for name in _OF_THE_KERNEL:
        if type(thing) is not dict and not is_own and hasattr(thing, name):
            FOUND.append("kernel's %s.%s" % (path, name))
    if not is_own and _stores(thing):
        FOUND.append("store " + path)


def _stores(thing):
    """Tell whether a thing takes a store, which leaves it as it was."""
    if type(thing) is dict:
        return _succeeds(lambda: thing.update({"backdoor": 1}) or thing.pop("backdoor"))
    if type(thing) is list:
        return _succeeds(lambda: thing.append(1) or thing.pop())
    if type(thing) is bytearray or type(thing) is memoryview:
        return len(thing) > 0 and _succeeds(lambda: thing.__setitem__(0, thing[0]))
    # Closures take every store, and keep none.
    return _succeeds(lambda: setattr(thing, "backdoor", 1)) and hasattr(thing, "backdoor")


def _succeeds(store):
    try:
        store()
    except (AttributeError, TypeError, ImportError, KeyError, ValueError):
        return False
    return True


def inside(path, thing, is_own):
    """Yield what is within a thing: (path, thing, whether it is the walker's own)."""
    if type(thing) is dict:
        for key in list(thing):
            yield "%s[%r]" % (path, key), thing[key], False
        return
    if type(thing) in (list, tuple):
        for at, value in enumerate(thing):
            yield "%s[%d]" % (path, at), value, False
        return
    for name in set(dir(thing)) | _UNLISTED:
        try:
            value = getattr(thing, name)
        except BaseException:
            continue
        own = is_own and (name == "__dict__" or getattr(value, "__name__", "") == "View")
        own = own or type(value).__name__ == "View" or path == "task" and name in _OWN
        own = own or is_own and path.endswith("()") and type(value) in (list, dict)
        yield path + "." + name, value, own
    if callable(thing) and not is_own:
        try:
            yield path + "()", thing(), True
        except BaseException:
            return
