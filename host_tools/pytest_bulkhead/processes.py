"""Processes of a test: they end with it, even where it is killed and cleans up no more."""

import shutil


def with_parent() -> list[str]:
    """Return what comes before a command that is to end when this process does, even if killed.

    That is setpriv of util-linux, which every Debian has; without it the command stays behind.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
