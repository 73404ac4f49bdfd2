"""An application with a network, on MicroPython's unix port: its ports are free ones of this host.

Manifests and code name ports from 1801 to 1809, or 8080: the test says which of this host's those
are.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from unix_console import PipeLine, unix_application

from bulkhead_host.link.client import Client
from pytest_bulkhead.processes import with_parent

KEY = bytes(range(32))
TIMEOUT_S = 120.0  # of the wall, for a hang
_PORT = re.compile(r"\b(?:180\d|8080)\b")


class NetworkBoard:
    """The board's process, and a client on its console: `log` is what it prints."""

    def __init__(
        self,
        micropython: Path,
        application: Path,
        folder: Path,
        ports: Mapping[int, int],
        *,
        over: Path | None = None,
    ) -> None:
        """Begin; files of `over` take the place of the application's."""
        copied = folder / "app"
        shutil.copytree(application, copied)
        if over:
            shutil.copytree(over, copied, dirs_exist_ok=True)
        for file in (*copied.glob("*/service.toml"), *copied.glob("*/service.py")):
            text = _PORT.sub(lambda found: str(ports[int(found[0])]), file.read_text())
            file.write_text(text)
        board = folder / "board"
        board.mkdir()
        unix_application(copied, board)
        (board / "bulkhead_key.py").write_text(f"KEY = {KEY!r}\n")
        shutil.copy(Path(__file__).parent / "made_up_network.py", board / "network.py")
        self.process = subprocess.Popen(
            [*with_parent(), micropython, "-X", "heapsize=2M", "main.py"],
            cwd=board,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.log: list[str] = []
        self.client = Client(
            PipeLine(self.process),
            first_sequence=1,
            timeout_s=TIMEOUT_S,
            key=KEY,
            on_output=self.log.append,
        )

    def generation(self, name: str) -> int:
        found = self.client.table().named(name)
        assert found is not None
        return found.generation

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
