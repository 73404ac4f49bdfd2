"""Attacks by import: modules, what is within them, and the guard itself."""

from attacks.tools import after, reached


def has_modules(thing):
    """Tell whether a thing is, or has, a module that a service must not have."""
    return hasattr(thing, "schedule") or hasattr(thing, "modules") or hasattr(thing, "mem32")


@after
def import_os(_sys):
    """Import os."""
    import os

    os.listdir()
    reached()


@after
def import_gc(_sys):
    """Import gc."""
    import gc

    gc.collect()
    reached()


@after
def import_micropython(_sys):
    """Import micropython whole."""
    import micropython

    micropython.heap_lock()
    micropython.heap_unlock()
    reached()


@after
def import_schedule(_sys):
    """Import the function that puts a callback into the interpreter."""
    from micropython import schedule

    schedule(print, 0)
    reached()


@after
def import_a_pin(_sys):
    """Import a name of machine."""
    from machine import Pin

    Pin  # noqa: B018
    reached()


@after
def import_the_memory(_sys):
    """Import a window on all memory."""
    from machine import mem32

    mem32[0]
    reached()


@after
def import_by_an_old_name(_sys):
    """Import modules by the names that MicroPython had for them."""
    for name in ("usys", "uos", "umachine", "uctypes", "ustruct", "uio", "_io", "ubuiltins"):
        try:
            __import__(name)
        except ImportError:
            continue
        reached()


@after
def import_what_reaches_memory(_sys):
    """Import uctypes, framebuf, marshal and others that take addresses or code."""
    for name in ("uctypes", "framebuf", "marshal", "btree", "_thread", "rp2", "_rp2", "vfs"):
        try:
            __import__(name)
        except ImportError:
            continue
        reached()


@after
def import_what_reaches_the_line(_sys):
    """Import select, socket and network."""
    for name in ("select", "socket", "network", "tls", "ssl", "bluetooth", "websocket"):
        try:
            __import__(name)
        except ImportError:
            continue
        reached()


@after
def import_the_device_key(_sys):
    """Import the device key, and what reads and writes updates."""
    for name in ("bulkhead_key", "bulkhead_slots", "main", "boot", "__main__"):
        try:
            __import__(name)
        except ImportError:
            continue
        reached()


@after
def import_the_gate(_sys):
    """Import what admits orders."""
    from bulkhead.session import Gate

    Gate.admit = reached
    reached()


@after
def import_the_loop(_sys):
    """Import asyncio's loop without asyncio in its manifest."""
    from bulkhead.loop import core

    core.sys  # noqa: B018
    reached()


@after
def import_the_injections(_sys):
    """Import what stands in for services that the operator has fail."""
    from bulkhead.injections import MISDEEDS

    MISDEEDS.clear()
    reached()


@after
def import_the_layout(_sys):
    """Import where the kernel's words are."""
    from kernel.layout import ARMED

    ARMED  # noqa: B018
    reached()


@after
def import_the_guard(_sys):
    """Import the guard, to install another."""
    from guard.guards import install

    install([0] * 32, None)
    reached()


@after
def import_a_port(_sys):
    """Import the port, and what the kernel's case runs on."""
    for name in ("port.rp2", "port.unix", "port.soft", "port", "kernel", "cases.rig"):
        try:
            __import__(name)
        except ImportError:
            continue
        reached()


@after
def import_the_stage(_sys):
    """Import the module that runs it."""
    import attacks.stage  # noqa: F401

    reached()


@after
def import_a_package_of_services(_sys):
    """Import the package in which all services are."""
    import services

    services.victim  # noqa: B018
    reached()


@after
def import_all_names(_sys):
    """Import all names of a module, the modules in it too."""
    space = {}
    module = __import__("bulkhead.aio", None, None, ("*",))
    space.update(module.__dict__)
    reached()


@after
def import_by_names_that_change(_sys):
    """Import by an object that names others when it is looked at again."""

    class Names:
        def __init__(self):
            self.looks = 0

        def __iter__(self):
            self.looks += 1
            return iter(("const",) if self.looks == 1 else ("schedule",))

        def __bool__(self):
            return True

    __import__("micropython", None, None, Names()).schedule  # noqa: B018
    reached()


@after
def import_by_a_list_that_changes(_sys):
    """Import by a list that grows while it is judged."""
    names = ["const"]
    found = __import__("micropython", None, None, names)
    names.append("schedule")
    found.schedule  # noqa: B018
    reached()


@after
def import_by_a_name_that_is_two(_sys):
    """Import by an object of a class that derives from str."""

    class Name(str):
        def rpartition(self, _by):
            return "time", "", ""

        def split(self, _by):
            return ["time"]

    __import__(Name("machine"))
    reached()


@after
def import_true_names(_sys):
    """Import as the interpreter itself does when a package has not what is asked for."""
    for name in ("kernel.layout", "sys", "machine", "bulkhead.session"):
        try:
            __import__(name, None, None, True)
        except ImportError:
            continue
        reached()


@after
def import_within_other_globals(_sys):
    """Import with globals that say that it is the kernel."""
    __import__("sys", {"__name__": "kernel"}, {}, None, 0)
    reached()


@after
def import_upwards(_sys):
    """Import by two dots."""
    from .. import cases  # noqa: F401

    reached()


@after
def pretend_to_be_the_kernel(_sys):
    """Import under the names of kernel, port, boot and library."""
    space = globals()
    name = space["__name__"]
    for other in ("kernel", "kernel.abi", "port", "__main__", "bulkhead.frame", "time", ""):
        space["__name__"] = other
        try:
            import machine  # noqa: F401

            reached()
        except (ImportError, AttributeError):
            pass
        finally:
            space["__name__"] = name


@after
def pretend_to_be_a_package(_sys):
    """Import relatively from a package that it says it is."""
    space = globals()
    name = space["__name__"]
    space["__name__"] = "kernel"
    space["__path__"] = "kernel"
    try:
        from . import layout  # noqa: F401

        reached()
    finally:
        space["__name__"] = name
        del space["__path__"]


@after
def find_modules_in_modules(_sys):
    """Find what the user library's modules have imported themselves."""
    import bulkhead.aio
    import bulkhead.link
    import bulkhead.value

    for module in (bulkhead, bulkhead.aio, bulkhead.link, bulkhead.value):
        for name in ("micropython", "sys", "struct", "kernel", "hashlib", "session", "loop"):
            if hasattr(module, name):
                reached()


@after
def find_a_modules_dictionary(_sys):
    """Read and write the dictionary of a module of the library."""
    from bulkhead import link

    for name in ("__dict__", "__globals__", "__file__", "__path__"):
        if hasattr(link, name) and "decode" in getattr(link, name):
            reached()


@after
def ask_the_view_itself(_sys):
    """Ask what stands for a module for what it is made of."""
    from bulkhead import link

    kind = type(link)
    for name in ("__globals__", "__closure__", "__code__", "__self__", "__func__"):
        for thing in (link, kind, kind.__getattr__, link.encode):
            for value in getattr(thing, name, {}).values() if hasattr(thing, name) else ():
                if has_modules(value):
                    reached()
    for name in ("struct", "__class__", "__init__", "__name__"):
        try:
            if has_modules(kind.__getattr__(link, name)):
                reached()
        except AttributeError:
            continue


@after
def give_the_view_no_name(_sys):
    """Ask what stands for a module for things that are no names."""
    from bulkhead import link

    for name in (None, 1, b"struct", ("struct",), ["struct"]):
        try:
            type(link).__getattr__(link, name)
            reached()
        except (TypeError, AttributeError):
            continue


@after
def patch_the_view_for_others(_sys):
    """Change what stands for a module, and see whether others have it changed."""
    from bulkhead import link

    link.encode = reached
    from bulkhead.link import encode

    if encode is reached:
        reached()


@after
def make_a_module(_sys):
    """Make a module of its own, by the type of one."""
    import time

    made = type(time)("kernel")
    if made is not None:
        reached()


@after
def find_modules_in_a_built_in_one(_sys):
    """Find modules in those that MicroPython has built in."""
    import struct
    import time

    for module in (struct, time):
        for name in dir(module):
            if has_modules(getattr(module, name)):
                reached()


@after
def write_a_built_in_modules_dictionary(_sys):
    """Put a function into the dictionary of a built-in module."""
    import time

    time.__dict__["ticks_ms"] = reached
    reached()


def have_a_library_import(task):
    """Have a function of the library call `__import__`."""
    from bulkhead.replay import Replay

    found = yield from Replay(task).run(__import__, "os")
    found.listdir()
    reached()


def have_a_library_import_of_its_package(task):
    """Have a function of the library call `__import__`, by a relative name."""
    from bulkhead.replay import Replay

    yield from Replay(task).run(__import__, "injections", None, None, ("stand_in",), 1)
    reached()


def have_a_library_import_as_it_iterates(task):
    """Have a function of the library iterate over what calls `__import__`."""
    from bulkhead.replay import Replay

    replay = Replay(task)
    found = []
    replay.parts = map(found.append, map(__import__, ("os",)))
    try:
        yield from replay.run(repr)
    except AttributeError:
        found[0].listdir()
        reached()


@after
def seed_everybodys_random_numbers(_sys):
    """Have everybody's random numbers be those that it knows."""
    import random

    random.getrandbits(8)
    random.seed(7)
    reached()


@after
def load_the_api_of_nobody(_sys):
    """Import an api that does not exist, and one that is the kernel's."""
    for name in ("services.nobody.api", "services.kernel.api", "services..api", "services.*.api"):
        try:
            __import__(name)
        except (ImportError, ValueError):
            continue
        reached()


def fill_up_what_the_guard_keeps(task):
    """Import a hundred names, so that the guard runs out of memory."""
    for number in range(100):
        try:
            __import__("services.x%d.api" % number)
        except ImportError:
            yield task.sleep(0)
    yield task.recv()
