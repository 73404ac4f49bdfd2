"""One client's files: a folder, of which the names and sizes are known.

What changes a file is one commit of littlefs, which leaves all or nothing when the power fails:
a file has what was written when it is closed, a rename is there or is not.
"""

import os

from micropython import const

_NEW = "~"  # what REPLACE writes before it takes the place of the old; no name a client may use
_KIND = const(1)  # fields of what os.ilistdir gives
_SIZE = const(3)
_FILE = const(0x8000)
_EEXIST = const(17)


class Root:
    """Files by name, with their sizes. Methods raise OSError when the file system fails."""

    def __init__(self, path, bytes_max, files_max):
        self.path = path
        self.bytes_max = bytes_max
        self.files_max = files_max
        make_folder(path)
        self.sizes = {row[0]: row[_SIZE] for row in os.ilistdir(path) if row[_KIND] == _FILE}
        if self.sizes.pop(_NEW, None) is not None:  # the power failed before it was renamed
            os.remove(self._path(_NEW))

    def used(self):
        """Return the bytes in all files."""
        return sum(self.sizes.values())

    def has_room(self, name, size):
        """Tell whether a file may have so many bytes."""
        old = self.sizes.get(name)
        if old is None and len(self.sizes) == self.files_max:
            return False
        return self.used() - (old or 0) + size <= self.bytes_max

    def read(self, name, offset, count):
        """Return bytes of a file."""
        with open(self._path(name), "rb") as file:
            file.seek(offset)
            return file.read(count)

    def write(self, name, offset, data):
        """Write into a file, from `offset` on, which is at most its size."""
        if name not in self.sizes:  # opening a new file makes an empty one at once
            self.replace(name, data)
            return
        with open(self._path(name), "r+b") as file:
            file.seek(offset)
            file.write(data)
        self.sizes[name] = max(self.sizes[name], offset + len(data))

    def replace(self, name, data):
        """Make `data` all that a file has."""
        try:
            with open(self._path(_NEW), "wb") as file:
                file.write(data)
            os.rename(self._path(_NEW), self._path(name))
        except OSError:
            remove_if_there(self._path(_NEW))  # what there was room for
            raise
        self.sizes[name] = len(data)

    def remove(self, name):
        """Remove a file."""
        os.remove(self._path(name))
        del self.sizes[name]

    def rename(self, name, new):
        """Give a file another name; a file of that name gives way."""
        if new != name:
            os.rename(self._path(name), self._path(new))
            self.sizes[new] = self.sizes.pop(name)

    def _path(self, name):
        return self.path + "/" + name


def make_folder(path):
    """Make a folder, unless it is there. Raises OSError: a full flash has no room for one."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != _EEXIST:
            raise


def remove_if_there(path):
    """Remove a file; one that is not there, or cannot be removed, is left."""
    try:
        os.remove(path)
    except OSError:
        pass
