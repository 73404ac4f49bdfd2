"""Boards that hosts reach by a broker: the unix port with an agent, and a real mosquitto."""

import shutil
import subprocess
from pathlib import Path

from free_ports import free_port
from unix_console import PipeLine, unix_application

from pytest_bulkhead import broker
from pytest_bulkhead.processes import with_parent

APPLICATION = Path(__file__).parent / "cases" / "agent_app"
KEY = bytes(range(60, 92))
TIMEOUT_S = 20.0  # of the wall, for a hang


class Mosquitto:
    """A broker on loopback, which can be killed and started anew."""

    def __init__(self) -> None:
        broker.install()
        self.port = free_port()
        self.process = broker.start(self.port)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it anew; what it kept is gone."""
        self.process = broker.start(self.port)


class UnixBoard:
    """A board's process. Its serial line is `line`, its other line an agent's."""

    def __init__(  # noqa: PLR0913  (most by keyword)
        self,
        micropython: Path,
        folder: Path,
        *,
        application: Path = APPLICATION,
        name: str = "garden",
        port: int = 0,
        listen: int = 0,
        key: bytes = KEY,
    ) -> None:
        self.micropython = micropython
        self.folder = folder / name
        copy = folder / f"{name}.app"
        shutil.copytree(application, copy)
        manifest = copy / "agent" / "service.toml"
        text = manifest.read_text().replace('"garden"', f'"{name}"').replace("1883", str(port))
        if listen:
            text = text.replace('broker = "127.0.0.1"', f"listen = {listen}").replace(
                f'tcp = ["127.0.0.1:{port}"]', f"listen = [{listen}]"
            )
        manifest.write_text(text)
        self.folder.mkdir()
        unix_application(copy, self.folder)
        (self.folder / "bulkhead_key.py").write_text(f"KEY = {key!r}\n")
        self.start()

    def start(self) -> None:
        """Boot."""
        self.process = subprocess.Popen(
            [*with_parent(), self.micropython, "-X", "heapsize=2M", "main.py"],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.line = PipeLine(self.process)

    def kill(self) -> None:
        """Take the power away."""
        self.process.kill()
        self.process.communicate()
