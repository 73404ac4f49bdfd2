"""A block device in the heap, for a file system that is fast and ends with its service."""

import vfs
from micropython import const

_BLOCK = const(256)
_SMALL = const(32)  # bytes of each of littlefs's three buffers
_COUNT = const(4)  # requests of vfs.AbstractBlockDev.ioctl
_SIZE = const(5)
_ERASE = const(6)


class RamDisk:
    """What `vfs.VfsLfs2` asks of a block device; what is erased is left as it was."""

    def __init__(self, size):
        self.data = memoryview(bytearray(size))

    def readblocks(self, block, buffer, offset=0):
        """Copy from a block."""
        at = block * _BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        """Copy to a block."""
        at = block * _BLOCK + offset
        self.data[at : at + len(buffer)] = buffer

    def ioctl(self, request, _argument):
        """Answer how many blocks there are and how large; erase at no cost."""
        if request == _COUNT:
            return len(self.data) // _BLOCK
        if request == _SIZE:
            return _BLOCK
        return 0 if request == _ERASE else None


def mount(path, size):
    """Mount an empty file system of `size` bytes at `path`, in place of the last one."""
    try:
        vfs.umount(path)
    except OSError:  # there is none yet
        pass
    disk = RamDisk(size)
    buffers = {"readsize": _SMALL, "progsize": _SMALL, "lookahead": _SMALL}
    vfs.VfsLfs2.mkfs(disk, **buffers)  # type: ignore[arg-type]
    vfs.mount(vfs.VfsLfs2(disk, **buffers), path)  # type: ignore[abstract, arg-type]
