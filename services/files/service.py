"""Serve files to clients, which it tells apart by their badges: a folder and a quota for each.

The manifest says where: in the flash, for what has to last, or in RAM. An application may have
both, side by side, each a service of its own with this code.
"""

from bulkhead import OK, REFUSED
from bulkhead_system import CONFIG, SERVICES
from micropython import const

from services.files.api import (
    COUNT_MAX,
    FAILED,
    FILES_MAX,
    LIST,
    NAME_BYTES_MAX,
    NO_FILE,
    NO_SPACE,
    READ,
    REMOVE,
    RENAME,
    REPLACE,
    STAT,
    USE,
    WRITE,
)
from services.files.root import Root, make_folder

_KB = const(1024)
_ENOSPC = const(28)  # of littlefs; the module errno has no name for it


class Volume:
    """Where this instance has its files; the roots of clients seen so far, by task number."""

    def __init__(self, name):
        self.config = config = dict(dict(CONFIG)[name])
        self.path = "/" + name
        self.quota = config["quota_kb"] * _KB
        self.roots = {}
        self.buffer = bytearray(COUNT_MAX)

    def export_state(self):
        """Return that the file system is there, in whatever medium."""
        return True

    def import_state(self, _version, state):
        """Leave it as it is: files in RAM outlive an update."""

    def begin(self):
        """Have a file system: an empty one in RAM, the one there is in flash."""
        if self.config["medium"] == "ram":
            from services.files.ram import mount

            mount(self.path, self.config["size_kb"] * _KB)
        else:
            try:
                make_folder(self.path)
            except OSError:  # calls will tell
                pass

    def root(self, number):
        """Return the root of a client, None if there is no such client. Raises OSError."""
        if number not in self.roots:
            if not 0 < number <= len(SERVICES):
                return None
            make_folder(self.path)  # there was no room, maybe, when the service began
            path = self.path + "/" + SERVICES[number - 1][0]
            self.roots[number] = Root(path, self.quota, FILES_MAX)
        return self.roots[number]


def main(task):
    """Serve `api`."""
    volume = Volume(task.name())
    if not task.carry_over(volume):
        volume.begin()
    while True:
        operation = yield task.recv()
        if not task.caller():
            continue
        try:
            root = volume.root(task.badge())
            if root is None:
                status, value = REFUSED, None
            elif operation == READ:
                status, value = yield from read(task, root, task.arg)
            elif operation in (WRITE, REPLACE):
                status, value = yield from write(task, volume, root, operation, task.arg)
            else:
                status, value = answer(root, operation, task.arg)
        except OSError as error:
            volume.roots.pop(task.badge(), None)  # what it knows of the files may be wrong
            status, value = (NO_SPACE if error.errno == _ENOSPC else FAILED), None
        yield task.reply(status, value)


def read(task, root, arg):
    """Read a part of a file into what the caller lent; return the status and how many bytes."""
    if type(arg) is not tuple or len(arg) != 3 or not (is_name(arg[0]) and are_counts(arg[1:])):
        return REFUSED, None
    name, offset, count = arg
    if name not in root.sizes:
        return NO_FILE, None
    data = root.read(name, offset, min(count, COUNT_MAX)) if offset < root.sizes[name] else b""
    yield task.lease_write(0, data)
    return OK, task.count()


def write(task, volume, root, operation, arg):
    """Write what the caller lent into a file; return the status and how many bytes."""
    if operation == REPLACE:
        arg = (arg, 0)
    if type(arg) is not tuple or len(arg) != 2 or not is_name(arg[0]) or not are_counts(arg[1:]):
        return REFUSED, None
    name, offset = arg
    if offset > root.sizes.get(name, 0):
        return REFUSED, None
    status = yield task.lease_read(0, volume.buffer)
    if status != OK:
        return REFUSED, None
    count = task.count()
    size = count if operation == REPLACE else max(root.sizes.get(name, 0), offset + count)
    if not root.has_room(name, size):
        return NO_SPACE, None
    data = memoryview(volume.buffer)[:count]
    if operation == REPLACE:
        root.replace(name, data)
    else:
        root.write(name, offset, data)
    return OK, count


def answer(root, operation, arg):
    """Do what needs no lease; return the status and the value of the reply."""
    if operation == USE:
        return OK, (root.used(), root.bytes_max)
    if operation == LIST and are_counts((arg,)):
        names = sorted(root.sizes)
        return (OK, (names[arg], root.sizes[names[arg]])) if arg < len(names) else (NO_FILE, None)
    name, new = arg if type(arg) is tuple and len(arg) == 2 else (arg, None)
    if operation not in (REMOVE, RENAME, STAT) or not is_name(name):
        return REFUSED, None
    if (operation == RENAME) != is_name(new):
        return REFUSED, None
    if name not in root.sizes:
        return NO_FILE, None
    if operation == REMOVE:
        root.remove(name)
    elif operation == RENAME:
        root.rename(name, new)
    return OK, root.sizes[name] if operation == STAT else None


def is_name(value):
    """Tell whether a value is a file's name."""
    return (
        type(value) is str
        and 0 < len(value.encode()) <= NAME_BYTES_MAX
        and value[0] not in ".~"
        and "/" not in value
        and "\0" not in value
    )


def are_counts(values):
    """Tell whether all values are sizes or offsets."""
    for value in values:
        if type(value) is not int or value < 0:
            return False
    return True
