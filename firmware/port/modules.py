"""A service's modules: the new ones imported beside the present, and either in place.

Code is (main, modules by name, folder). It is so on every port; the kernel's `replace` has this
module, which is loaded when something is replaced first.
"""

import sys


class Modules:
    """A service's code of which new is imported: from now until `end` it is found in `folder`.

    Without a folder the new code is what was shipped. `entry` is the service's module.
    """

    def __init__(self, entry, folder):
        self.package = entry.rpartition(".")[0]
        self.new = None
        if self.package not in sys.modules:
            __import__(self.package)
        self.old = self._take_out({}, folder or self._shipped())

    def end(self):
        """Have the present code in place again; `new` is what was imported meanwhile."""
        self.new = self._take_out(self.old[1], self.old[2])

    def put_in(self, code):
        """Let what is imported from now on be `code`, which is `old` or `new`."""
        for modules in (self.old[1], self.new[1]):
            for name in modules:
                sys.modules.pop(name, None)
        sys.modules.update(code[1])
        sys.modules[self.package].__path__ = code[2]

    def _shipped(self):
        above, _, name = self.package.rpartition(".")
        return "%s/%s" % (sys.modules[above].__path__, name)

    def _take_out(self, modules, folder):
        """Put modules and folder in place of the package's present code, which is returned."""
        main = getattr(sys.modules.get(self.package + ".service"), "main", None)
        whole = sys.modules[self.package]
        below = self.package + "."
        present = {name: sys.modules[name] for name in sys.modules if name.startswith(below)}
        for name in present:
            sys.modules.pop(name)
        sys.modules.update(modules)
        before = whole.__path__
        whole.__path__ = folder
        return main, present, before
