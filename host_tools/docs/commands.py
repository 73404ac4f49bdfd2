"""The reference of the command line, made of the parser itself."""

import re

import click

from bulkhead_host.cli import COMMANDS, group
from bulkhead_host.errors import BulkheadError
from docs.tables import code, table

_LISTING = re.compile("\\x08\n(.*?)(?=\n\n|\\Z)", re.DOTALL)
"""A paragraph whose lines click leaves alone."""


def page(parser: click.Group = group) -> str:
    """Return the page; raise BulkheadError for a command or an option that explains nothing."""
    context = click.Context(parser, info_name="bulkhead")
    lines = [
        "# Commands",
        "",
        "`bulkhead COMMAND --help` prints what stands here.",
        "",
        *table(["command", "what it does"], _menu(parser, context)),
        "## bulkhead",
        "",
        *_body(parser, context),
    ]
    for name in parser.list_commands(context):
        command = parser.get_command(context, name)
        if command is None:
            raise BulkheadError(f"the menu has {name}, and there is no such command", "COMMANDS")
        inner = click.Context(command, info_name=name, parent=context)
        lines += [f"({anchor(name)})=", f"## bulkhead {name}", "", *_body(command, inner)]
        if isinstance(command, click.Group):
            for below, part in sorted(command.commands.items()):
                context_below = click.Context(part, info_name=below, parent=inner)
                lines += [f"### bulkhead {name} {below}", "", *_body(part, context_below)]
    return "\n".join(lines)


def anchor(name: str) -> str:
    """Return the name by which pages link to a command."""
    return f"command-{name}"


def _menu(parser: click.Group, context: click.Context) -> list[list[str]]:
    return [
        [f"[{name}](#{anchor(name)})", COMMANDS[name]] for name in parser.list_commands(context)
    ]


def _body(command: click.Command, context: click.Context) -> list[str]:
    """Return usage, words, options and examples of a command."""
    name = context.command_path
    if not command.help:
        raise BulkheadError(f"{name} has no help", "write its docstring")
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = ["```text", usage, "```", "", _LISTING.sub(r"```text\n\1\n```", command.help), ""]
    rows = []
    for option in command.get_params(context):
        if isinstance(option, click.Argument):  # the help tells of it, by its name
            named = re.search(r"[A-Z]+", option.make_metavar(context))
            shown = named[0] if named else "shell"  # a list of shells is its own name
            if shown not in f"{command.help} {command.epilog}":
                raise BulkheadError(f"{name} does not tell of {shown}", "name it in its help")
            continue
        record = option.get_help_record(context)
        if record is None or not record[1].strip():
            raise BulkheadError(f"{option.name} of {name} has no help", "write help= for it")
        rows.append([code(record[0]), record[1]])
    lines += table(["option", "meaning"], rows)
    if command.epilog:
        words = command.epilog.removeprefix("Examples: ").removeprefix("Example: ")
        examples = [one.strip() for one in words.split(";  ")]
        lines += ["```sh", *examples, "```", ""]
    return lines
