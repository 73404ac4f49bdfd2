"""The `bulkhead` command: parse, call a command's function, print, exit.

Commands are loaded when first used, so that `bulkhead ps` does not pay for the emulator.
"""

import errno
import importlib
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bulkhead_host import __version__
from bulkhead_host.errors import BulkheadError, DeviceBusy
from bulkhead_host.json_versions import VERSIONS
from bulkhead_host.messages import Verbosity, choose, tell_origin

# Each name is a module of `bulkhead_host.commands` that has a click command `command`.
COMMANDS = {
    "build": "Build the firmware image with the kernel and services frozen in.",
    "call": "Call an operation of a service.",
    "campaign": "Inject many planned faults, and judge each by invariants.",
    "check": "Say what is wrong with an application, before anything is built.",
    "completion": "Print a script that completes this command in a shell.",
    "dashboard": "Show a board on a local page, live.",
    "deploy": "Put an application beside MicroPython's own image.",
    "devs": "List the boards and what runs on them.",
    "doctor": "Say what is missing on this machine or port, and what mends it.",
    "dump": "Save the state of a board to a file.",
    "explore": "Visit the states that an application can bring the kernel to.",
    "fault": "Show a service's newest fault with its whole traceback.",
    "flash": "Put an image on a board.",
    "fleet": "See many boards at a broker, and take new code to them in waves.",
    "graph": "Draw who calls whom, how often, and how long it took.",
    "inject": "Make a named service fail in a chosen way.",
    "log": "Print the log of a board.",
    "monitor": "Watch services and log, without disturbing them.",
    "new": "Make the folder of an application.",
    "new-service": "Make a service in an application, with its test.",
    "postmortem": "Tell what ended the last run, and what has failed since.",
    "ps": "List the services on a board.",
    "qualify": "Find out what a board does, beside what the emulated one does.",
    "reset": "Reset a board, and wait until it is back.",
    "rollback": "Put the code back that services had before.",
    "repl": "Open the prompt of a board; its services go on.",
    "run": "Boot an application on a board and show it working.",
    "serve": "Let several tools share one board.",
    "sim": "Serve an emulated board on a serial port.",
    "stubs": "Tell an editor of what services import.",
    "trace": "Record which service runs when, for Perfetto.",
    "top": "Watch, sort and control services on a live screen.",
    "update": "Replace the code of services on a running board.",
    "why": "Explain what a service waits for, and the chain of waits.",
}


_INTERRUPTED = 130  # as a shell tells it
_UNREAD = 141  # so too: what reads the output has gone
_MORE_ROOM = "make room on that disk, or name a place on another"
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_WAYS_OUT = {errno.ENOSPC: _MORE_ROOM, errno.EDQUOT: _MORE_ROOM}


class _Unread(Exception):
    """What reads the output has gone."""


@contextmanager
def _as_unread() -> Iterator[None]:
    """Raise `_Unread` for a pipe that breaks, which click and rich turn into exit code 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise _Unread from error
    except SystemExit as end:  # rich's
        if isinstance(end.__context__, BrokenPipeError):
            raise _Unread from end
        raise


class LazyGroup(click.Group):
    """A click group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the menu."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None when there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bulkhead_host.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """Read the command line, and print what it asks for by itself."""
        with _as_unread():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what it returns is no exit code, and is dropped."""
        with _as_unread():
            super().invoke(ctx)
            sys.stdout.flush()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def _print_versions(context: click.Context, _option: click.Parameter, value: bool) -> None:
    """Print the versions of what commands print with `--json`, and leave."""
    if value:
        click.echo(json.dumps(VERSIONS, indent=1))
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bulkhead")
@click.option(
    "--json-versions",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Print the version of each command's --json and exit.",
)
@click.option("-q", "--quiet", "verbosity", flag_value=0, help="Tell errors only.")
@click.option("-v", "--verbose", "verbosity", flag_value=2, help="Tell where an error arose.")
def group(verbosity: int | None) -> None:
    """Build, flash, watch and fault-inject boards that run Bulkhead.

    Exit codes: 0 good, 1 failed, 2 usage, 3 no or several devices, 4 busy or not permitted,
    5 timeout, 6 exception on the device, 130 ended by Ctrl-C before it was done, 141 ended because
    what reads its output had gone. Data goes to standard output, all else to standard error;
    colour only to a terminal, and not where NO_COLOR is set.
    """
    if verbosity is not None:
        choose(Verbosity(verbosity))


def _stand_in() -> None:
    """Take nothing for each standard stream that is closed, as under `>&-`: Python has None there.

    The null device gets the descriptor that is missing, so that no port comes to be standard
    output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _speak_utf8() -> None:
    """Have what is printed be the same bytes under any locale; a file's name stays its bytes."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def _drop_output() -> None:
    """Let what is still to be written go nowhere, where the end of Python would try it again."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)


def main() -> None:
    """Run the command line and exit with the code of `errors`.

    A command that ends with another code than 0 and has told why raises `click.exceptions.Exit`.
    """
    _stand_in()
    _speak_utf8()
    try:
        sys.exit(_run())
    except (_Unread, BrokenPipeError):
        _drop_output()
        sys.exit(_UNREAD)


def _run() -> int:
    """Run the command line, tell of an error, and return the exit code."""
    try:
        code: int = group(standalone_mode=False)  # click returns the code of an Exit it has caught
        return code
    except BulkheadError as error:
        click.echo(f"bulkhead: {error.cause}", err=True)
        if error.next_step:
            click.echo(f"  try: {error.next_step}", err=True)
        tell_origin()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"bulkhead: {place}{error.strerror or error}", err=True)
        click.echo(f"  try: {_way_out(error)}", err=True)
        tell_origin()
        return DeviceBusy.exit_code if isinstance(error, PermissionError) else 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("", err=True)
        return _INTERRUPTED


def _way_out(error: OSError) -> str:
    """Return what to do about an error of the system: of a file, see who may do what there."""
    if error.errno in _FORBIDDEN and error.filename:
        folder = Path(os.fsdecode(error.filename)).absolute().parent
        return f"see who may write there: ls -ld {shlex.quote(str(folder))}"
    return _WAYS_OUT.get(error.errno or 0, "bulkhead doctor")
