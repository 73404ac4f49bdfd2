"""Files, store and journal on a file system that is full: littlefs on a disk in RAM."""

import subprocess
from pathlib import Path

import pytest

from bulkhead_host.paths import source_root

_DISK = """
import os, vfs

class Disk:
    def __init__(self, count):
        self.data = bytearray(512 * count)
    def readblocks(self, block, into, offset=0):
        at = 512 * block + offset
        into[:] = self.data[at : at + len(into)]
    def writeblocks(self, block, data, offset=None):
        at = 512 * block + (offset or 0)
        self.data[at : at + len(data)] = data
    def ioctl(self, operation, _):
        return {4: len(self.data) // 512, 5: 512, 6: 0}.get(operation)

disk = Disk(24)
vfs.VfsLfs2.mkfs(disk)
vfs.mount(vfs.VfsLfs2(disk), "/disk")

def fill():
    number = 0
    while True:
        try:
            with open("/disk/filler%d" % number, "wb") as file:
                file.write(bytes(400))
        except OSError:
            break
        number += 1
    size = 64
    try:
        with open("/disk/last", "wb") as file:
            while size:
                file.write(bytes(size))
    except OSError:
        pass
    for _ in range(40):  # what is left in the folder's own blocks
        try:
            os.mkdir("/disk/m%d" % _)
        except OSError as error:
            return error.errno

def free():
    for name in os.listdir("/disk"):
        if name.startswith("filler") or name == "last":
            os.remove("/disk/" + name)

def said(function, *operands):
    try:
        return function(*operands)
    except OSError as error:
        return "errno %d" % error.errno
"""


def run(micropython: Path, code: str) -> list[str]:
    done = subprocess.run(
        [micropython, "-X", "heapsize=2M", "-c", _DISK + code],
        cwd=source_root(),
        env={"MICROPYPATH": f"{source_root()}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("what", ["a client's folder", "a new file", "more of a file"])
def test_a_full_flash_is_no_space_and_changes_nothing(micropython: Path, what: str) -> None:
    before = {"a client's folder": "", "a new file": "root = Root('/disk/x', 9999, 4)\n"}
    before["more of a file"] = before["a new file"] + "root.replace('old', b'1' * 700)\n"
    act = {
        "a client's folder": "said(Root, '/disk/x', 9999, 4)",
        "a new file": "said(root.replace, 'new', b'2' * 900)",
        "more of a file": "said(root.write, 'old', 700, b'3' * 3000)",
    }
    lines = run(
        micropython,
        "from services.files.root import Root\n"
        + before[what]
        + f"print(fill())\nprint({act[what]})\n"
        + "free()\nroot = Root('/disk/x', 9999, 4)\nprint(sorted(root.sizes.items()))\n"
        + "root.replace('later', b'4')\nprint(root.sizes['later'])\n"
        + "print([row[0] for row in os.ilistdir('/disk/x') if row[0] == '~'])\n",
    )
    kept = "[('old', 700)]" if what == "more of a file" else "[]"
    assert lines == ["28", "errno 28", kept, "1", "[]"]


def test_a_drawer_and_the_journal_are_written_once_there_is_room_again(micropython: Path) -> None:
    lines = run(
        micropython,
        "from services.store.drawer import Drawer\n"
        "from services.journal.pages import Pages\n"
        "fill()\n"
        "drawer, pages = Drawer('/disk/store/me'), Pages('/disk/log')\n"
        "drawer.put(('key', 5), 16, 1000)\n"
        "print(said(drawer.save), said(pages.append, b'line'))\n"
        "free()\n"
        "print(said(drawer.save), said(pages.append, b'line'))\n"
        "print(Drawer('/disk/store/me').values, Pages('/disk/log').size)\n",
    )
    assert lines == ["errno 28 errno 28", "True None", "{'key': 5} 8"]
