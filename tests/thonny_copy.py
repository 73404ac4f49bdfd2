"""Copy a file by Thonny's back end for an RP2040: `thonny_copy.py PORT put|get FROM TO`.

Run by a Python that has Thonny. Its back end is a program of its own, which takes commands as
lines and says `ToplevelResponse` at each prompt; a save and an open in the editor are these two.
"""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from thonny.common import (  # type: ignore[import-not-found]
    ImmediateCommand,
    InlineCommand,
    parse_message,
    serialize_message,
)
from thonny.plugins.rp2040 import rp2040_back  # type: ignore[import-not-found]


class BackEnd(NamedTuple):
    """The program's input and output."""

    stdin: IO[str]
    stdout: IO[str]


def main(port: str, way: str, source: str, target: str) -> None:
    """Copy one file, as `way` says."""
    options = {
        "port": port,
        "clean": False,  # no soft reset
        "interrupt_on_connect": False,  # it would again and again, where the board is slow
        "sync_time": False,
        "validate_time": False,
        "local_rtc": False,
    }
    line = [sys.executable, "-u", rp2040_back.__file__, repr(options)]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            line, stdin=-1, stdout=-1, text=True, env={**os.environ, "THONNY_USER_DIR": folder}
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        back_end = BackEnd(process.stdin, process.stdout)
        give(back_end, ImmediateCommand("interrupt"))  # the button Stop
        wait_for(back_end, "ToplevelResponse")
        if way == "put":
            data = Path(source).read_bytes()
            ask(back_end, "write_file", path=target, content_bytes=data)
        else:
            answer = ask(back_end, "read_file", path=source)
            Path(target).write_bytes(answer["content_bytes"])
        process.kill()


def ask(back_end: BackEnd, name: str, **operands: object) -> Any:
    """Give the back end a command; return its answer."""
    options = {"id": 1, "description": name, "make_shebang_scripts_executable": False}
    give(back_end, InlineCommand(name, **options, **operands))
    return wait_for(back_end, "InlineResponse")


def give(back_end: BackEnd, command: Any) -> None:
    """Give the back end a command."""
    back_end.stdin.write(serialize_message(command) + "\n")
    back_end.stdin.flush()


def wait_for(back_end: BackEnd, kind: str) -> Any:
    """Return the back end's next message of that kind; what it complains of ends the program."""
    said = ""
    for line in back_end.stdout:
        said += line
        if not line.startswith("\x02"):
            continue
        pieces = int(line[1 : line.index(" ")])
        message = parse_message(line + "".join(islice(back_end.stdout, pieces - 1)))
        if message.get("error"):
            sys.exit(str(message["error"]))
        if message.get("sequence") == kind:
            return message
    sys.exit(said[-2000:])


if __name__ == "__main__":
    main(*sys.argv[1:])
