"""`bulkhead completion`: print a script that completes the command in a shell."""

import click
from click.shell_completion import get_completion_class

from bulkhead_host.errors import UsageError

SHELLS = ("bash", "fish", "zsh")
_PROGRAM = "bulkhead"
_VARIABLE = "_BULKHEAD_COMPLETE"


def completion_script(shell: str, group: click.Command) -> str:
    """Return the script for one of `SHELLS`; click makes it."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell}", f"one of: {', '.join(SHELLS)}")
    return kind(group, {}, _PROGRAM, _VARIABLE).source()


@click.command(
    "completion",
    epilog='Examples: eval "$(bulkhead completion bash)";  '
    "bulkhead completion fish > ~/.config/fish/completions/bulkhead.fish",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and ports in a shell.

    For good: put the first example into ~/.bashrc (or with zsh into ~/.zshrc).
    """
    click.echo(completion_script(shell, context.find_root().command))
