"""Names of applications and services: what they may be, and why one may not."""

import keyword
import re

KERNEL = "kernel"

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""A service's name: it is a Python package on the board, and a column on the screen."""

_LENGTH_MAX = 32
_RULE = "use a-z, 0-9 and _, a letter first"


def why_no_service(name: str) -> tuple[str, str] | None:
    """Return why a service cannot have a name, and what to do; None when it can."""
    if name == KERNEL:
        return f'"{name}" is the kernel\'s own name', "choose another"
    if keyword.iskeyword(name):
        return (
            f'"{name}" is a word of Python: nobody could import services.{name}.api',
            "choose another",
        )
    if len(name) > _LENGTH_MAX:
        return f'"{name}" is too long for a service', f"at most {_LENGTH_MAX} letters"
    if not NAME.fullmatch(name):
        return f'"{name}" is no name for a service', _RULE
    return None


def why_no_application(name: str) -> tuple[str, str] | None:
    """Return why a new application cannot have a name, and what to do; None when it can."""
    if len(name) > _LENGTH_MAX:
        return f'"{name}" is too long for an application', f"at most {_LENGTH_MAX} letters"
    if not NAME.fullmatch(name):
        return f'"{name}" is no name for an application', _RULE
    return None
