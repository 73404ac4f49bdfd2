"""Processes of a test: they end with it, even where it is killed and cleans up no more."""

import os
import shutil

# The kernel tells only of deaths that come after it was asked to. A parent that was killed before
# has left its child to another process: the child sees that, and does not begin.
_UNLESS_LEFT = 'test "$PPID" = "$0" && exec "$@"'


def with_parent() -> list[str]:
    """Return what comes before a command that is to end when this process does, even if killed.

    That is setpriv of util-linux, which every Debian has; without it the command stays behind.
    """
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return []
    return [setpriv, "--pdeathsig", "KILL", "--", "sh", "-c", _UNLESS_LEFT, str(os.getpid())]
