"""The device key: what this user's boards have in common with this user's tools.

It is made when it is first needed and kept in the user's configuration folder; `BULKHEAD_KEY`
names another file, for boards that several people share. Whoever has the key may change what runs
on the boards that were flashed with it.
"""

import os
import secrets
from pathlib import Path

import platformdirs

from bulkhead_host.errors import UsageError
from bulkhead_host.files import NotText, read_text, write_new
from bulkhead_host.paths import of_this_user

KEY_BYTES = 32
ENVIRONMENT_VARIABLE = "BULKHEAD_KEY"

_NAME = "device.key"


def key_file() -> Path:
    """Return where the key is kept."""
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        return Path(override)
    folder = of_this_user(
        lambda: platformdirs.user_config_dir("bulkhead", appauthor=False), ENVIRONMENT_VARIABLE
    )
    return folder / _NAME


def device_key() -> bytes:
    """Return the 32 bytes of the key; make one, readable by this user alone, if there is none.

    Raises `UsageError` when the file holds no key. The file has the key in hexadecimal digits.
    """
    path = key_file()
    if not path.exists():
        write_new(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    try:
        key = bytes.fromhex(read_text(path))
    except (ValueError, NotText):
        key = b""
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"{path} holds no device key: that is {2 * KEY_BYTES} hexadecimal digits",
            f"remove it to have a new one made, or name another file with {ENVIRONMENT_VARIABLE}",
        )
    return key
