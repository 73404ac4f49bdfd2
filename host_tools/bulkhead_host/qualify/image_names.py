"""What the modules and classes of an image's MicroPython have, as a board tells it.

`python -m bulkhead_host.qualify.image_names` boots an emulated Pico, asks it, and writes the file
that `bulkhead check` reads services by: `system/reading/image_names.json`.
"""

import json

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.files import write_text
from bulkhead_host.qualify.image import cases_image
from bulkhead_host.system.reading.lacking import NAMES_FILE, Names

MODULES = (
    *("array", "binascii", "builtins", "cmath", "collections", "cryptolib", "deflate", "errno"),
    *("framebuf", "gc", "hashlib", "heapq", "io", "json", "machine", "math", "micropython", "os"),
    *("platform", "random", "re", "rp2", "select", "struct", "sys", "time", "uctypes", "vfs"),
)
"""Those that are written in C, and `rp2`: what is Python is read as it is."""

_ASK = """\
import {module} as asked
for name in dir(asked):
    found = getattr(asked, name)
    print(name, *(dir(found) if type(found) is type else ()))
"""


def ask(board: EmulatedBoard) -> Names:
    """Return the names of each module, and for each name those of the class that it is.

    The board is at its prompt. What begins with two underscores is left out.
    """
    return {module: _told(execute(board, _ASK.format(module=module))) for module in MODULES}


def _told(text: str) -> dict[str, list[str]]:
    rows = (row.split() for row in text.splitlines())
    return {
        name: sorted(one for one in has if not one.startswith("__"))
        for name, *has in sorted(rows)
        if not name.startswith("__")
    }


def written(names: Names) -> str:
    """Return the file's text: a line a name, so that a difference shows where it is."""
    modules = (
        f"{json.dumps(module)}: {{\n"
        + ",\n".join(f"  {json.dumps(name)}: {json.dumps(has)}" for name, has in found.items())
        + "\n}"
        for module, found in names.items()
    )
    return "{\n" + ",\n".join(modules) + "\n}\n"


def main() -> None:
    """Write the file anew."""
    with EmulatedBoard(image=cases_image()) as board:
        wait_for_prompt(board)
        write_text(NAMES_FILE, written(ask(board)))


if __name__ == "__main__":
    main()
