"""New code of a service beside the old: its modules imported from a folder, and put in place.

Code is (main, modules by name, folder). The step of who orders an update runs `load` (`replace` of
the kernel); the modules are what the manifest of the service may import. The module is loaded when
something is replaced first.
"""

from sys import modules as loaded


def load(entry, folder):
    """Import the modules of an entry from a folder, None for where they are shipped.

    Return the present code and the new one, whose main is None where it has none. What is imported
    from now on is the present code, however it ends: it raises what the modules raise.
    """
    package = entry.rpartition(".")[0]
    if package not in loaded:
        __import__(package)
    old = take_out(package, {}, folder or shipped_folder(package))
    try:
        __import__(entry)
    finally:
        new = take_out(package, old[1], old[2])
    return old, new


def put_in(entry, old, new, code):
    """Let what is imported from now on be `code`, which is `old` or `new`."""
    for modules in (old[1], new[1]):
        for name in modules:
            loaded.pop(name, None)
    loaded.update(code[1])
    loaded[entry.rpartition(".")[0]].__path__ = code[2]


def shipped_folder(package):
    """Return where a service's modules are that the image has."""
    above, _, name = package.rpartition(".")
    return "%s/%s" % (loaded[above].__path__, name)


def take_out(package, modules, folder):
    """Put modules and folder in place of a package's present code, which is returned."""
    main = getattr(loaded.get(package + ".service"), "main", None)
    whole = loaded[package]
    below = package + "."
    present = {name: loaded[name] for name in loaded if name.startswith(below)}
    for name in present:
        loaded.pop(name)
    loaded.update(modules)
    before = whole.__path__
    whole.__path__ = folder
    return main, present, before
