"""The flash: does each page hold what is written to it, and what a reset in the midst leaves.

Pages are tried in blocks that a file of this program's owns, so that no other file is touched:
LittleFS writes elsewhere what a page has not taken, and says nothing. Nothing here wears a flash:
`ERASES_MAX` of its sectors are erased once each or twice, of some 100,000 times.
"""

from collections.abc import Iterator
from contextlib import suppress

from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.raw_repl import RawRepl, numbers
from bulkhead_host.qualify.desks import Desk
from bulkhead_host.qualify.verdicts import Row, failed, judged, passed, skipped

PART = "flash"
CUTS_MS = (3, 9, 17, 31, 53)
ERASES_MAX = 60
_FILE = "/bulkhead-qualify.tmp"
_BLOCKS = 4
_WORDS = 2  # of a line that a program prints

_PAGES = """
import os
import rp2
NAME, BLOCKS, MARK = {name!r}, {blocks}, os.urandom(16)
with open(NAME, "wb") as file:
    for _ in range(BLOCKS * 256 - 16):
        file.write(MARK)
flash = rp2.Flash()
count = flash.ioctl(4, 0)
buffer = bytearray(flash.ioctl(5, 0))
whole, torn = [], []
for block in range(count):
    flash.readblocks(block, buffer)
    marks = bytes(buffer).count(MARK)
    if marks > 200:
        whole.append(block)
    elif marks > 1:
        torn.append(block)
lost = {{}}
for block in whole:
    for pattern in (0x55, 0xAA):
        wanted = b"".join(bytes((pattern ^ page,)) * 256 for page in range(len(buffer) >> 8))
        flash.writeblocks(block, wanted)
        flash.readblocks(block, buffer)
        for page in range(0, len(buffer), 256):
            if buffer[page : page + 256] != wanted[page : page + 256]:
                lost[block * len(buffer) + page] = buffer[page]
os.remove(NAME)
print("tried", len(whole) * 2 * (len(buffer) // 256))
for block in torn:
    print("torn", block * len(buffer))
for at in sorted(lost):
    print("lost", at)
"""

_WRITE = """
import machine, os
def block(number):
    return bytes((number + at) & 0xFF for at in range(256)) * 4
def write(number):
    with open({name!r} + ".new", "wb") as file:
        file.write(block(number))
    os.rename({name!r} + ".new", {name!r})
write(0)
machine.WDT(timeout={timeout_ms})
for number in range(1, 9):
    write(number)
while True:
    machine.idle()
"""

_READ = """
import os
with open({name!r}, "rb") as file:
    data = file.read()
number = data[0] if data else -1
whole = bytes((number + at) & 0xFF for at in range(256)) * 4
print(number, int(data == whole), len(data))
"""

_REMOVE = """
import os
for name in ({name!r}, {name!r} + ".new"):
    try:
        os.remove(name)
    except OSError:
        pass
"""


def look(desk: Desk, repl: RawRepl) -> Iterator[Row]:
    """Yield what the flash does with pages, and with resets in the midst of writing.

    The file is removed in the end, also where nobody takes the last rows.
    """
    try:
        yield _pages(repl, desk.limit_s)
        for timeout_ms in CUTS_MS:
            repl, row = _cut(desk, repl, timeout_ms)
            yield row
    finally:
        with suppress(BulkheadError):
            repl.execute(_REMOVE.format(name=_FILE), timeout_s=desk.limit_s)


def _pages(repl: RawRepl, limit_s: float) -> Row:
    name = "pages hold what is written"
    try:
        said = repl.execute(_PAGES.format(name=_FILE, blocks=_BLOCKS), timeout_s=limit_s)
    except BulkheadError as error:
        return failed(PART, name, _last_line(error))
    rows = [line.split() for line in said.splitlines()]
    if any(len(row) != _WORDS or not row[1].isdecimal() for row in rows):
        return failed(PART, name, f"the board's answer is none: {said[-200:]!r}")
    tried = sum(int(row[1]) for row in rows if row[0] == "tried")
    torn = [f"0x{int(row[1]):06x}" for row in rows if row[0] == "torn"]
    lost = [f"0x{int(row[1]):06x}" for row in rows if row[0] == "lost"]
    if lost or torn:
        places = ", ".join((lost or torn)[:6])
        return failed(
            PART,
            name,
            f"the flash loses pages: {len(lost)} of {tried} that were programmed did not hold it, "
            f"at {places} from the file system's start",
        )
    if not tried:
        return skipped(PART, name, "the file system did not let its blocks be found")
    return passed(PART, name, f"{tried} pages of 256 bytes, each with two patterns")


def _cut(desk: Desk, repl: RawRepl, timeout_ms: int) -> tuple[RawRepl, Row]:
    """Have the watchdog reset the board while it writes, and look at the file."""
    name = f"a reset after {timeout_ms} ms of writing"
    repl.send(_WRITE.format(name=_FILE, timeout_ms=timeout_ms))
    repl = desk.returned()
    try:
        said = repl.execute(_READ.format(name=_FILE), timeout_s=desk.limit_s)
        number, is_whole, size = numbers(said, 3)
    except BulkheadError as error:
        return repl, failed(PART, name, f"the file is gone: {_last_line(error)}")
    return repl, judged(
        PART, name, bool(is_whole), f"version {number} of the file, {size} bytes"
        + ("" if is_whole else ": it is neither the old nor the new one"),
    )  # fmt: skip


def _last_line(error: BulkheadError) -> str:
    return str(error).strip().splitlines()[-1]
