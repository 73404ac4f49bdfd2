"""Many boards at once: unix ports that share one folder of code, and differ in name and flash."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from unix_agent import KEY
from unix_console import unix_application

from pytest_bulkhead.processes import with_parent

APPLICATION = Path(__file__).parent / "cases" / "fleet_app"
# A board keeps code in `update` of its folder, and uses it from its next boot on.
_MAIN = """
import sys

sys.path.insert(0, "{common}")
from bulkhead_key import KEY
from bulkhead_slots import use_slots
from bulkhead_boot import COMMON, WORDS
from bulkhead_system import IMAGE, INTERFACE, MODULES, SERVICES
from guard.authority import Authority
from guard.guards import install
from kernel.boot import build
from kernel.levels import main_level
from bulkhead_port import Port

for refusal in use_slots(IMAGE, INTERFACE, KEY):
    print("bulkhead: an update is not used:", refusal)
kernel = build(SERVICES, Port(), WORDS)
authority = Authority(SERVICES, COMMON, MODULES)
authority.acting = kernel.acting
install(kernel.words, authority, kernel.port.outlet)
main_level(kernel)
"""


class FleetBoard:
    """One board's process."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self._command = [*with_parent(), str(micropython), "-X", "heapsize=1M", "main.py"]
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Boot, from what its flash has."""
        self.process = subprocess.Popen(
            self._command,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """Take the power away; once is enough."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class UnixFleet:
    """Boards by their names, and the folder whose application they run.

    The service caller of each calls soil every `pause_ms`.
    """

    def __init__(
        self,
        micropython: Path,
        folder: Path,
        names: Sequence[str],
        *,
        port: int,
        pause_ms: int = 10,
    ) -> None:
        self.application = folder / "application"
        shutil.copytree(APPLICATION, self.application)
        manifest = self.application / "agent" / "service.toml"
        manifest.write_text(manifest.read_text().replace("1883", str(port)))
        caller = self.application / "caller" / "service.toml"
        caller.write_text(caller.read_text().replace("pause_ms = 10", f"pause_ms = {pause_ms}"))
        common = folder / "common"
        common.mkdir()
        unix_application(self.application, common)
        (common / "main.py").unlink()
        (common / "bulkhead_key.py").write_text(f"KEY = {KEY!r}\n")
        slots = common / "bulkhead_slots.py"
        slots.write_text(slots.read_text().replace('"/update"', '"update"'))
        system = (common / "bulkhead_system.py").read_text()
        (common / "bulkhead_system.py").unlink()
        self.boards = {}
        for name in names:
            own = folder / name
            own.mkdir()
            (own / "main.py").write_text(_MAIN.format(common=common))
            (own / "bulkhead_system.py").write_text(system.replace("'garden'", f"'{name}'"))
            self.boards[name] = FleetBoard(micropython, own)

    def change(self, old: str, new: str, *, version: int) -> None:
        """Change the code of the service soil in the application, as a person would."""
        code = self.application / "soil" / "service.py"
        text = code.read_text()
        assert old in text
        code.write_text(text.replace(old, new))
        manifest = self.application / "soil" / "service.toml"
        lines = manifest.read_text().splitlines()
        lines = [f"version = {version}" if "version" in line else line for line in lines]
        manifest.write_text("\n".join(lines) + "\n")

    def close(self) -> None:
        """End all."""
        for board in self.boards.values():
            board.kill()
