"""Live update on the emulated Pico: state and messages stay, what is no good is taken back."""

import hmac
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from power import FILE_SYSTEM, PowerMeter

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.image import bundle as bundles
from bulkhead_host.image.bundle import make_bundle
from bulkhead_host.image.changes import Targets, prepare
from bulkhead_host.link.client import Client, UpdateRefused
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.updater import (
    Bundle,
    Listed,
    UpdateTakenBack,
    list_code,
    send_update,
    state,
    take_back,
)
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.manifest import load_application

APPLICATION = Path(__file__).parents[1] / "cases" / "update_app"
SERVICES = source_root() / "services"
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
PROBATION_MS = 150

RESTARTS_WITHOUT_END = """
from bulkhead import OK
def main(task):
    yield task.recv()
    raise ValueError("crash loop")
"""
BAD_STARTS = {
    "raises": ("def main(task):\n    raise ValueError('no')\n    yield\n", "did not start"),
    "returns": ("def main(task):\n    yield task.sleep(1)\n", "did not start"),
    "spins": ("def main(task):\n    while True:\n        pass\n    yield\n", "did not start"),
    "sleeps": (
        "def main(task):\n    while True:\n        yield task.sleep(200)\n",
        "did not come to a recv",
    ),
    "does not load": ("1 // 0\ndef main(task):\n    yield\n", "ZeroDivisionError"),
    "takes what is not its own": (
        "def main(task):\n    yield\n__import__('machine')\n",
        "builtin|import of 'machine' is not in its service.toml",
    ),
    "cannot take the state": (
        "class Counts:\n    def import_state(self, version, state):\n        raise KeyError\n"
        "def main(task):\n    task.carry_over(Counts())\n    yield task.recv()\n",
        "did not start",
    ),
}


@dataclass
class Bench:
    """A board with the application, its client, and what it has logged."""

    board: EmulatedBoard
    folder: Path
    client: Client = field(init=False)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = Client(BoardTransport(self.board), key=KEY, on_output=self.log.append)

    def variant(self, version: int, **code: str) -> Path:
        """Return a copy of the application with another version of the counter, or other code."""
        folder = self.folder / f"v{version}-{'-'.join(code)}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(APPLICATION, folder)
        for file, old, new in (
            ("api.py", "const(1)", f"const({version})"),
            ("service.toml", "version = 1", f"version = {version}"),
        ):
            path = folder / "counter" / file
            path.write_text(path.read_text().replace(old, new))
        for name, source in code.items():
            (folder / name / "service.py").write_text(source)
        return folder

    def bundle(self, folder: Path, name: str = "counter", *, key: bytes = KEY) -> Bundle:
        """Return the signed code of one service."""
        application = load_application(folder, shipped=SERVICES, report=Report())
        assert application is not None  # what else is wrong is for the board to find
        return make_bundle(application, board_named(application.board), name, key=key)

    def listed(self, name: str = "counter") -> Listed:
        """Return what code a service has."""
        return list_code(self.client, [name])[0]

    def generations(self) -> dict[str, int]:
        """Return the generation of every service."""
        return {service.name: service.generation for service in self.client.table().services}

    def update(self, *bundles: Bundle, probation_ms: int = PROBATION_MS) -> None:
        """Send an update, and wait for its end."""
        send_update(self.client, bundles, probation_ms=probation_ms)

    def wait_for(self, pattern: str, since: int = 0) -> re.Match[str]:
        """Return what a line of the log, from number `since` on, says."""
        for _ in range(200):
            for line in self.log[since:]:
                found = re.search(pattern, line)
                if found:
                    return found
            self.client.listen(0.02)
        raise AssertionError((pattern, self.log[-20:]))

    def expect_counts_whole(self, version: int, since: int) -> None:
        """Fail unless a version goes on counting, and nothing was lost."""
        said = self.wait_for(rf"version {version} from (\d+): lost (.*), failed (\d+),", since)
        assert said[2] == "(0, 0)"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("image") / "update.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    return image


@pytest.fixture(scope="module")
def bench(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with EmulatedBoard(image=image, key=KEY) as board:
        found = Bench(board, tmp_path_factory.mktemp("applications"))
        found.wait_for("version 1 from 0")
        yield found


def test_new_code_takes_over_state_under_calls_and_mail(bench: Bench) -> None:
    before = bench.listed()
    generations = bench.generations()
    since = len(bench.log)
    bundles = prepare(bench.client, Targets(application=bench.variant(2), names=()), key=KEY)
    assert [bundle.name for bundle in bundles] == ["counter"]
    bench.update(*bundles)
    said = bench.wait_for(r"version 2 from (\d+): lost (.*), failed (\d+),", since)
    assert said.groups() == (str(before.version), "(0, 0)", "0")
    after = bench.listed()
    assert (after.version, after.before) == (2, before.version)
    assert after.slot != before.slot
    assert bench.generations() == generations
    bench.wait_for("updated: counter 2", since)


def test_rollback_goes_back_and_forth(bench: Bench) -> None:
    bench.update(bench.bundle(bench.variant(3)))
    before = bench.listed()
    assert before.before is not None
    for _ in range(2):
        since = len(bench.log)
        now = bench.listed()
        take_back(bench.client, ["counter"], probation_ms=PROBATION_MS)
        assert (bench.listed().version, bench.listed().before) == (now.before, now.version)
        assert now.before is not None
        bench.expect_counts_whole(now.before, since)
    assert bench.listed() == before


def _changed_byte(bundle: Bundle) -> Bundle:
    middle = len(bundle.data) // 2
    flipped = bytes([bundle.data[middle] ^ 1])
    return replace(bundle, data=bundle.data[:middle] + flipped + bundle.data[middle + 1 :])


def _signed_as(old: str, new: str) -> Callable[[Bundle], Bundle]:
    """Return what says something else in the head, and signs that rightly."""

    def change(bundle: Bundle) -> Bundle:
        text = bundle.head[:-32].decode()
        assert old in text
        text = text.replace(old, new)
        return replace(bundle, head=text.encode() + hmac.digest(KEY, text.encode(), "sha256"))

    return change


REFUSALS: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "truncated": (lambda b: replace(b, data=b.data[:-1]), "1 bytes of counter are missing"),
    "nothing at all": (lambda b: replace(b, data=b""), "bytes of counter are missing"),
    "too much": (lambda b: replace(b, data=b.data + b"!"), "a piece of counter is missing"),
    "a changed byte": (_changed_byte, "the files of counter are not as signed"),
    "a changed head": (
        lambda b: replace(b, head=b.head.replace(b"counter 9", b"counter 8")),
        "the signature is wrong",
    ),
    "a cut head": (lambda b: replace(b, head=b.head[:-1]), "the signature is wrong"),
    "another board": (_signed_as("pico", "esp32"), "the update is for update_app on esp32"),
    "another application": (_signed_as("update_app", "demo"), "the update is for demo on pico"),
    "the updater": (_signed_as("\ncounter", "\nupdater"), "replaced with the whole image"),
    "no service": (_signed_as("\ncounter", "\nnobody"), "there is no service nobody"),
    "another format": (_signed_as("update 1", "update 2"), "of another format"),
}


def test_what_is_not_as_signed_or_for_another_is_refused_and_counted(bench: Bench) -> None:
    before = bench.listed(), bench.generations(), state(bench.client)[2]
    good = bench.bundle(bench.variant(9))
    for kind, (change, words) in REFUSALS.items():
        with pytest.raises(UpdateRefused, match=words):
            bench.update(change(good))
            pytest.fail(f"{kind} was taken")
    other = bench.variant(9)
    manifest = other / "counter" / "service.toml"
    manifest.write_text(manifest.read_text().replace("depth = 8", "depth = 9"))
    with pytest.raises(UpdateRefused, match="only code is updated, and the manifest of counter"):
        bench.update(bench.bundle(other))
    with pytest.raises(UpdateRefused, match="made with another key"):
        bench.update(bench.bundle(other, key=OTHER_KEY))
    with pytest.raises(UpdateRefused, match="asker has not been updated"):
        take_back(bench.client, ["asker"])
    refused = before[2] + len(REFUSALS) + 3
    assert (bench.listed(), bench.generations(), state(bench.client)[2]) == (*before[:2], refused)


def test_code_that_does_not_start_is_taken_back(bench: Bench) -> None:
    before = bench.listed(), bench.generations()
    for kind, (source, words) in BAD_STARTS.items():
        with pytest.raises(UpdateTakenBack, match=words):
            bench.update(bench.bundle(bench.variant(9, counter=source)))
            pytest.fail(f"code that {kind} was kept")
    assert (bench.listed(), bench.generations()) == before


def test_code_that_crashes_again_and_again_is_taken_back(bench: Bench) -> None:
    before = bench.listed()
    since = len(bench.log)
    with pytest.raises(UpdateTakenBack, match=r"counter failed \d times"):
        bench.update(
            bench.bundle(bench.variant(9, counter=RESTARTS_WITHOUT_END)), probation_ms=3000
        )
    assert bench.listed() == before
    bench.wait_for("took back counter 9", since)
    generation = bench.generations()["counter"]
    bench.client.listen(0.2)
    assert bench.generations()["counter"] == generation


def test_of_two_services_both_change_or_neither(bench: Bench) -> None:
    bad = "def main(task):\n    raise ValueError('no')\n    yield\n"
    folder = bench.variant(9, asker=bad)
    before = bench.listed(), bench.listed("asker")
    bundles = [bench.bundle(folder, name) for name in ("counter", "asker")]
    with pytest.raises(UpdateTakenBack, match="asker did not start"):
        bench.update(*bundles)
    assert (bench.listed(), bench.listed("asker")) == before
    folder = bench.variant(10)
    asker = folder / "asker" / "service.py"
    asker.write_text(asker.read_text().replace("status %d", "a status of %d"))
    bundles = prepare(bench.client, Targets(application=folder, names=()), key=KEY)
    assert [bundle.name for bundle in bundles] == ["counter", "asker"]
    bench.update(*bundles)
    assert bench.listed().version == 10
    assert bench.listed("asker").slot != before[1].slot


def test_reset_during_the_probation_brings_the_old_code_and_after_it_the_new(
    bench: Bench,
) -> None:
    before = bench.listed()

    def reset(phase: str) -> None:
        if phase == "probation":
            bench.wait_for("version 11", since)
            bench.board.reset()
            raise InterruptedError

    since = len(bench.log)
    with pytest.raises(InterruptedError):
        send_update(
            bench.client, [bench.bundle(bench.variant(11))], probation_ms=60_000, on_phase=reset
        )
    bench.wait_for(f"version {before.version} from 0", since)
    assert bench.listed().version == before.version
    bench.update(bench.bundle(bench.variant(12)))
    since = len(bench.log)
    bench.board.reset()
    bench.wait_for("version 12 from 0", since)
    assert bench.listed().version == 12


def test_an_older_version_takes_a_word_for_it(bench: Bench) -> None:
    older = bench.bundle(bench.variant(bench.listed().version + 1))
    bench.update(bench.bundle(bench.variant(older.version + 1)))
    now = bench.listed()
    with pytest.raises(UpdateRefused, match=f"the older version {older.version}"):
        bench.update(older)
    assert bench.listed() == now
    bench.update(replace(older, may_be_older=True))
    assert bench.listed().version == older.version


def test_native_code_that_no_manifest_names_is_refused_by_tool_and_board(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = bench.listed()
    folder = bench.variant(now.version + 1)
    service = folder / "counter" / "service.py"
    native = "import micropython\n\n@micropython.native\ndef fast():\n    return 1\n"
    service.write_text(service.read_text() + native)
    with pytest.raises(UsageError, match="native code in service"):
        bench.bundle(folder)
    everything = SimpleNamespace(intersection=lambda _modules: True)
    monkeypatch.setattr(bundles, "COMPILERS", everything)
    with pytest.raises(UpdateRefused, match="the code of counter is native"):
        bench.update(bench.bundle(folder))
    assert bench.listed() == now


def test_slot_that_is_damaged_is_not_used(bench: Bench) -> None:
    folder = bench.variant(13)
    service = folder / "counter" / "service.py"
    padding = "padding " * 200  # so that the file is more than littlefs keeps beside its name
    service.write_text(service.read_text() + f"\n\nPADDING = '{padding}'\n")
    bench.update(bench.bundle(folder))
    flash = bench.board.chip.flash
    found = bytes(flash).find(padding.encode()[:40], FILE_SYSTEM)
    assert found > 0
    flash[found] ^= 1
    since = len(bench.log)
    bench.board.reset()
    bench.wait_for("an update is not used: counter: the files of counter are not as", since)
    bench.wait_for("version 1 from 0", since)


LOOK = """
import sys, vfs
class Blocks:
    def readblocks(self, n, into, offset=0):
        at = n * 4096 + offset
        into[:] = flash[at : at + len(into)]
    def writeblocks(self, n, data, offset=0):
        at = n * 4096 + offset
        flash[at : at + len(data)] = data
    def ioctl(self, what, _):
        return {4: len(flash) // 4096, 5: 4096}.get(what, 0)
def look():
    vfs.mount(vfs.VfsLfs2(Blocks(), progsize=256), "/x")
    record = read_record(read_file(RECORD)[8:].split(b"\\n")[0].decode())
    found = []
    for name in ("counter", "asker"):
        slot = record[name][0]
        found.append("%s%d" % (slot, check_slot(name, slot, bytes(range(32))).version))
    vfs.umount("/x")
    return " ".join(found)
flash = bytearray(open(sys.argv[1], "rb").read())
said = [look()]
with open(sys.argv[2], "rb") as file:
    while True:
        head = file.read(8)
        if not head:
            break
        at, size = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
        data = file.read(size)
        for upto in (size // 2, size):
            flash[at : at + upto] = data[:upto]
            said.append(look())
print("\\n".join(said))
"""


def _left_by_cuts(meter: PowerMeter, folder: Path) -> list[str]:
    """Return which code a boot would use after each cut, by MicroPython's own littlefs."""
    firmware = source_root() / "firmware"
    slots = (firmware / "boot" / "bulkhead_slots.py").read_text().replace("/update", "/x/update")
    (folder / "bulkhead").mkdir()
    shutil.copy(firmware / "bulkhead" / "session.py", folder / "bulkhead")
    script = folder / "look.py"
    script.write_text(slots + LOOK)
    (folder / "flash").write_bytes(meter.states[0])
    with (folder / "writes").open("wb") as file:
        for write, after in zip(meter.writes, meter.states[1:], strict=True):
            at = write.address - FILE_SYSTEM
            file.write(at.to_bytes(4, "big") + write.size.to_bytes(4, "big"))
            file.write(after[at : at + write.size])
    program = Path(sys.executable).parent / "micropython"
    done = subprocess.run(
        [program, "-X", "heapsize=16m", script, folder / "flash", folder / "writes"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return done.stdout.split("\n")[:-1]


def test_power_that_fails_at_any_write_of_an_update_leaves_all_old_or_all_new(
    image: Path, tmp_path: Path
) -> None:
    with EmulatedBoard(image=image, key=KEY) as board:
        bench = Bench(board, tmp_path)
        bench.wait_for("version 1 from 0")
        bench.update(*(bench.bundle(bench.variant(20), name) for name in ("counter", "asker")))
        meter = PowerMeter(board)
        bench.update(*(bench.bundle(bench.variant(21), name) for name in ("counter", "asker")))
        meter.end()
        left = _left_by_cuts(meter, tmp_path)
        old, new = left[0], left[-1]
        assert (old, new) == ("a20 a1", "b21 b1")
        print(f"{len(left)} cut points, {left.count(old)} old, {left.count(new)} new")
        assert left == [old] * left.count(old) + [new] * left.count(new)
        for cut_at in (2, len(meter.writes) // 4):
            PowerMeter(board, cut_at=cut_at)
            with pytest.raises(BulkheadError):
                bench.update(bench.bundle(bench.variant(22)), probation_ms=0)
            assert not board.is_powered
            board.on_flash_write(None)
            since = len(bench.log)
            board.start()
            bench.wait_for("version 21 from 0", since)
        bench.update(bench.bundle(bench.variant(22)), probation_ms=0)
