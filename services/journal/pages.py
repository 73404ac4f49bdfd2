"""Two files in turn that hold the newest lines, of bounded size, whole after a power failure.

The first line of each is its number: the greater is the newer. When that has grown to its size
the older one is begun anew. littlefs has what was appended when a file is closed, and until then
what there was before.
"""

import os

from micropython import const

PAGE_BYTES_MAX = const(16_384)
_PAGES = ("a", "b")
_EEXIST = const(17)


class Pages:
    """The files `a` and `b` in a folder; `path` is the newer one, `size` its bytes."""

    def __init__(self, folder, bytes_max=PAGE_BYTES_MAX):
        self.bytes_max = bytes_max
        self.folder = folder
        self.paths = ["%s/%s" % (folder, name) for name in _PAGES]
        numbers = [number_of(path) for path in self.paths]
        self.number = max(numbers)
        self.path = self.paths[numbers.index(self.number)]
        self.size = os.stat(self.path)[6] if self.number else bytes_max

    def append(self, data):
        """Have the flash hold `data`, less than a page, behind what there is. Raises OSError."""
        if self.size + len(data) <= self.bytes_max:
            with open(self.path, "ab") as file:
                file.write(data)
            self.size += len(data)
            return
        make_folder(self.folder)
        path = self.paths[(self.number + 1) % len(_PAGES)]
        head = b"# %d\n" % (self.number + 1)
        with open(path, "wb") as file:
            file.write(head)
            file.write(data)
        self.number += 1
        self.path = path
        self.size = len(head) + len(data)


def number_of(path):
    """Return the number of a file, 0 if there is none or it has no number."""
    try:
        with open(path, "rb") as file:
            return int(file.readline().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def make_folder(path):
    """Make a folder, unless it is there. Raises OSError: a full flash has no room for one."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise
