"""Updates of services that are down: new code is kept once it has run, and never before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.link.client import Client, UpdateRefused
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Service
from bulkhead_host.link.updater import UpdateTakenBack, list_code, send_update, take_back
from bulkhead_host.system.examine import load_system

KEY = bytes(range(32))
PROBATION_MS = 150

SYSTEM = """
[system]
name = "down_app"
board = "pico"
start = ["supervisor", "logger", "console", "updater", "job", "loop", "pauser", "first", "second"]

[[group]]
name = "pair"
strategy = "one_for_all"
services = ["first", "second"]
"""
POLICIES = {
    "job": 'restart = "temporary"',
    "loop": 'restart = "permanent"\nrestarts_max = 1\nwindow_ms = 60000',
    "pauser": 'restart = "permanent"\npause_first_ms = 60000\npause_last_ms = 60000',
    "first": 'restart = "permanent"\nrestarts_max = 1\nwindow_ms = 60000',
    "second": 'restart = "permanent"',
}
MANIFEST = """
[service]
name = "{name}"
version = {version}
priority = 4
budget_ms = 50
{policy}
"""
SERVES = "def main(task):\n    while True:\n        yield task.recv()\n"
# Still being loaded as the other of its group begins, which waits for that.
LOADS_LONG = "for _ in range(8000):\n    pass\n\n\n" + SERVES
FAILS = "def main(task):\n    x = 1 // int('0')\n    yield task.recv()\n"
FAILS_LATER = "def main(task):\n    yield task.recv(20)\n    raise ValueError\n"
ENDS = "def main(task):\n    yield task.sleep(1)\n"


class Bench:
    """A board, and the application that it runs, whose services can be changed."""

    def __init__(self, board: EmulatedBoard, application: Path) -> None:
        self.board = board
        self.application = application
        self.client = Client(BoardTransport(board), key=KEY)
        board.run_for(ms=800)

    def update(self, *names: str, code: str) -> None:
        """Send the next version of some services, and wait for its end."""
        bundles = []
        for name in names:
            version = self.version(name) + 1
            write_service(self.application, name, code, version)
            system = load_system(self.application, "pico")
            bundles.append(make_bundle(*system, name, key=KEY))
        send_update(self.client, bundles, probation_ms=PROBATION_MS)

    def version(self, name: str) -> int:
        """Return which version of a service is in use, and that of the next boot."""
        return list_code(self.client, [name])[0].version

    def service(self, name: str) -> Service:
        """Return what the board says of a service."""
        found = self.client.table().named(name)
        assert found is not None
        return found

    def fell(self, name: str) -> None:
        """Crash a service until it is down."""
        for _ in range(2):
            if self.service(name).state == "receiving":
                self.client.inject(name, "crash")
            self.board.run_for(ms=20)
        assert self.service(name).state in ("faulted", "degraded", "ended")


def write_service(application: Path, name: str, code: str, version: int) -> None:
    folder = application / name
    folder.mkdir(exist_ok=True)
    manifest = MANIFEST.format(name=name, version=version, policy=POLICIES[name])
    (folder / "service.toml").write_text(manifest)
    (folder / "service.py").write_text(code)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    application = tmp_path_factory.mktemp("down_app")
    (application / "system.toml").write_text(SYSTEM)
    for name in POLICIES:
        write_service(application, name, LOADS_LONG if name == "first" else SERVES, 1)
    image = build(BuildOptions(application=application, output=application / "down.uf2")).path
    with EmulatedBoard(image=image, key=KEY) as board:
        yield Bench(board, application)


@pytest.mark.parametrize("name", ["job", "loop", "pauser", "first", "second"])
def test_new_code_of_what_is_down_runs_before_it_is_kept(bench: Bench, name: str) -> None:
    bench.fell("first" if name == "second" else name)
    if name == "second":
        assert bench.service(name).state == "degraded"
    version = bench.version(name)
    with pytest.raises(UpdateTakenBack, match=f"{name} did not start: it failed"):
        bench.update(name, code=FAILS)
    with pytest.raises(UpdateTakenBack, match=f"{name} (is down|failed 3 times)"):
        bench.update(name, code=FAILS_LATER)
    assert bench.version(name) == version
    bench.update(name, code=LOADS_LONG if name == "first" else SERVES)
    assert (bench.version(name), bench.service(name).state) == (version + 1, "receiving")
    assert bench.service("second").state == bench.service("first").state == "receiving"


def test_what_is_held_is_not_updated_and_stays_held(bench: Bench) -> None:
    version = bench.version("loop")
    bench.client.control("loop", "hold")
    with pytest.raises(UpdateRefused, match="loop is held: its new code would not run") as refused:
        bench.update("job", "loop", code=SERVES)
    assert "release it" in refused.value.next_step
    with pytest.raises(UpdateRefused, match="loop is held"):
        take_back(bench.client, ["loop"], probation_ms=PROBATION_MS)
    assert (bench.version("loop"), bench.service("loop").state) == (version, "held")
    bench.client.control("loop", "release")
    bench.update("loop", code=SERVES)
    assert bench.version("loop") == version + 1


def test_a_job_may_end_on_its_probation_as_it_should(bench: Bench) -> None:
    bench.fell("job")
    version = bench.version("job")
    bench.update("job", code=ENDS)
    assert (bench.version("job"), bench.service("job").state) == (version + 1, "ended")
    with pytest.raises(UpdateTakenBack, match="job did not start: it failed"):
        bench.update("job", code=FAILS)
    bench.update("job", code=SERVES)
    assert bench.service("job").state == "receiving"
