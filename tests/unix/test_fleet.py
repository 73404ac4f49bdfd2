"""Twenty boards at a real broker: seen, asked, updated in waves; bad code is taken back.

BULKHEAD_FLEET=200 has as many. What the rollouts took is in build/fleet-COUNT.json.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evil_broker import wait_until
from unix_agent import KEY, Mosquitto
from unix_fleet import UnixFleet

from bulkhead_host.commands.fleet import command
from bulkhead_host.errors import UsageError
from bulkhead_host.fleet.files import load_fleet, load_rollout
from bulkhead_host.fleet.hub import Hub
from bulkhead_host.fleet.presence import FORGED, GONE, NEVER, SAID, parse_presence
from bulkhead_host.fleet.rollout import Report, roll_out
from bulkhead_host.paths import source_root

COUNT = int(os.environ.get("BULKHEAD_FLEET", "20"))
NAMES = [f"b{number:03}" for number in range(COUNT)]
CANARIES = NAMES[:2]
AWAY = NAMES[5]
"""The board without power."""
PAUSE_MS = 10 * COUNT
"""Between two calls of a board: all together make a hundred a second."""
# Of the wall, for a hang: so many processes share this machine.
PATIENCE_S = 30.0 + COUNT
ALL_S = 20.0 * max(1, COUNT // 4)

ROLLOUT = """
application = "application"
services = ["soil"]
soak_s = 0.2
probation_s = 0.3

[[wave]]
boards = ["canary"]

[[wave]]
share = 0.3

[[wave]]
boards = ["all"]

[[check]]
service = "soil"
operation = 1
value = {value}
"""


class Field:
    """The boards, their broker, and the files that a person has of them."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.folder = folder
        self.took: dict[str, object] = {"boards": COUNT}
        began_s = time.monotonic()
        self.broker = Mosquitto()
        self.fleet = UnixFleet(
            micropython, folder, NAMES, port=self.broker.port, pause_ms=PAUSE_MS
        )
        self.url = f"mqtt://127.0.0.1:{self.broker.port}"
        tags = "\n".join(f"{n} = {['canary'] if n in CANARIES else []}" for n in NAMES)
        (folder / "fleet.toml").write_text(
            f'broker = "{self.url}"\n\n[boards]\n{tags}\n\n[groups]\nfirst = ["canary"]\n'
        )
        (folder / "board.key").write_text(KEY.hex())
        self.hub = Hub(self.url, key=KEY, timeout_s=PATIENCE_S)
        self.wait_for_all()
        self.took["all_said_s"] = round(time.monotonic() - began_s, 1)

    def wait_for_all(self) -> None:
        """Return when every board has said how it is."""
        wait_until(
            lambda: all(one.state == SAID for one in self.hub.presences(NAMES)), within_s=ALL_S
        )

    def run(self, *, value: int, name: str = "spring", more: str = "") -> Report:
        """Do a rollout as its file says, and return the report."""
        file = self.folder / f"{name}.toml"
        file.write_text(more + ROLLOUT.format(value=value))
        self.told: list[str] = []
        report = roll_out(load_rollout(file), self.hub, key=KEY, tell=self.told.append)
        self.note(report.as_json())
        return report

    def run_by_tool(self, *, value: int) -> tuple[int, dict[str, Any]]:
        """Do it by `bulkhead fleet rollout`; return the exit code and the report."""
        (self.folder / "spring.toml").write_text(ROLLOUT.format(value=value))
        program = Path(sys.executable).with_name("bulkhead")
        options = ["--json", "--timeout", str(PATIENCE_S)]
        command: list[str | Path] = [program, "fleet", "rollout", "spring.toml", *options]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "BULKHEAD_KEY": str(self.folder / "board.key")},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout as output:
            report: dict[str, Any] = json.loads(output.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.note(report)
        self.took["tool_kb_max"] = usage.ru_maxrss
        self.took["tool_processor_s"] = round(usage.ru_utime + usage.ru_stime, 1)
        return process.returncode, report

    def note(self, report: dict[str, Any]) -> None:
        """Keep what a rollout came to."""
        waves = [Counter(one["state"] for one in wave) for wave in report["waves"]]
        self.took.setdefault("rollouts", []).append(  # type: ignore[attr-defined]
            {
                "ended": report["ended"],
                "seconds": round(report["seconds"], 1),
                "waves": waves,
                "went_back": Counter(one["state"] for one in report["went_back"]),
            }
        )

    def wet(self, names: list[str] | None = None) -> list[object]:
        """Return what the boards' soil says."""

        def ask(board: str) -> object:
            with self.hub.client(board) as client:
                return client.call("soil", 1)[1]

        return self.hub.each(names or NAMES, ask)

    def has(self, wet: int, names: list[str] | None = None) -> bool:
        """Tell whether the boards' soil says so; who is busy is asked again."""
        names = names or NAMES
        wait_until(lambda: None not in self.wet(names), within_s=ALL_S)
        return self.wet(names) == [wet] * len(names)

    def cli(self, *words: str) -> str:
        """Run `bulkhead fleet` in the folder of the files; return what it prints."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            result = CliRunner().invoke(
                command, words, env={"BULKHEAD_KEY": str(self.folder / "board.key")}
            )
        finally:
            os.chdir(before)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def close(self) -> None:
        (source_root() / "build").mkdir(exist_ok=True)
        file = source_root() / "build" / f"fleet-{COUNT}.json"
        file.write_text(json.dumps(self.took, indent=1) + "\n")
        self.hub.close()
        self.fleet.close()
        self.broker.kill()


@pytest.fixture(scope="module")
def field(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    field = Field(micropython, tmp_path_factory.mktemp("fleet"))
    yield field
    field.close()


def test_all_boards_are_seen_and_asked(field: Field) -> None:
    rows = json.loads(field.cli("ps", "--json"))
    assert [row["board"] for row in rows] == NAMES
    assert {row["state"] for row in rows} == {SAID}
    assert {row["application"] for row in rows} == {"fleet_app"}
    assert len({row["boot"] for row in rows}) == COUNT
    assert {tuple(row["services"].items()) for row in rows} == {tuple(rows[0]["services"].items())}
    assert "canary" not in field.cli("ps", "canary")
    assert len(field.cli("ps", "first").splitlines()) == 1 + len(CANARIES)
    assert field.cli("log", "b000", "--last", "1").startswith("b000 ")
    assert field.cli("fault", "canary") == "b000: no fault\nb001: no fault\n"
    assert field.has(41)


def test_a_board_that_idles_leaves_the_processor_to_others(field: Field) -> None:
    board = NAMES[-1]
    with field.hub.client(board) as client:
        began_ms, before = client.hello().uptime_ms, _wakings(field, board)
        client.listen(2.0)
        gone_ms, wakings = client.hello().uptime_ms - began_ms, _wakings(field, board) - before
    assert 0 < wakings < gone_ms, (wakings, gone_ms)


def _wakings(field: Field, board: str) -> int:
    """Return how often the threads of a board have gone to sleep so far."""
    threads = Path(f"/proc/{field.fleet.boards[board].process.pid}/task").iterdir()
    told = [(thread / "status").read_text() for thread in threads]
    return sum(int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for text in told)


def test_a_bad_version_is_stopped_in_its_first_wave_and_taken_back(field: Field) -> None:
    field.fleet.change("WET = 41", "WET = 43", version=2)
    report = field.run(value=42)
    assert report.ended == f"stopped in wave 1: {len(CANARIES)} of {len(CANARIES)} failed"
    assert [one.board for one in report.waves[0]] == CANARIES
    assert {one.state for one in report.waves[0]} == {"failed"}
    assert {one.detail for one in report.waves[0]} == {"soil answered 0, 43 to a check"}
    assert {one.state for one in report.went_back} == {"back"}
    assert field.has(41)


def test_code_that_faults_is_taken_back_by_the_board_and_goes_to_nobody_else(
    field: Field,
) -> None:
    field.fleet.change("    calls = Calls()", "    calls = Calls() + 1", version=3)
    report = field.run(value=43)
    assert report.ended.startswith("stopped in wave 1")
    assert all("the old code is back" in one.detail for one in report.waves[0])
    assert field.has(41)
    field.fleet.change("    calls = Calls() + 1", "    calls = Calls()", version=4)


def test_a_rollout_goes_through_its_waves_and_on_where_it_was_broken_off(field: Field) -> None:
    field.fleet.change("WET = 43", "WET = 42", version=5)
    field.fleet.boards[AWAY].kill()
    wait_until(lambda: field.hub.presences([AWAY])[0].state == GONE)
    code, report = field.run_by_tool(value=42)
    assert (code, report["ended"], len(report["waves"])) == (0, "done", 3), report
    boards = [one for wave in report["waves"] for one in wave]
    assert sorted(one["board"] for one in boards) == NAMES
    states = {one["board"]: one["state"] for one in boards}
    others = {board: state for board, state in states.items() if state != "updated"}
    assert others == {AWAY: "away"}, report
    assert {one.state for one in field.hub.presences([AWAY])} == {GONE}
    field.fleet.boards[AWAY].start()
    field.wait_for_all()
    again = field.run(value=42)
    states = {one.board: one.state for wave in again.waves for one in wave}
    assert states == {name: "updated" if name == AWAY else "current" for name in NAMES}
    assert field.has(42)


def test_going_back_knows_whom_an_earlier_run_has_changed(field: Field) -> None:
    field.fleet.change("WET = 42", "WET = 44", version=6)
    only = 'fleet = "only.toml"\n'
    fleet = (field.folder / "fleet.toml").read_text()
    first = "\n".join(line for line in fleet.splitlines() if NAMES[-1] not in line)
    (field.folder / "only.toml").write_text(first)
    assert field.run(value=44, name="summer", more=only).is_good
    (field.folder / "only.toml").write_text(fleet)
    report = field.run(value=45, name="summer", more=only)
    assert report.ended.startswith("stopped in wave 1")
    assert field.has(42, CANARIES)


def test_update_goes_to_the_boards_that_words_name(field: Field) -> None:
    output = field.cli(
        *("update", "soil", "--app", "application", "--on", "first", "--probation", "1")
    )
    assert "wave 1 of 1: 2 updated" in output
    assert field.has(44, CANARIES)


def test_a_status_is_worth_what_its_mac_says() -> None:
    assert parse_presence("garden", None, KEY).state == NEVER
    assert parse_presence("garden", b"gone", KEY).state == GONE
    assert parse_presence("garden", b'{"board":"garden","mac":"00"}', KEY).state == FORGED
    assert parse_presence("garden", b"\xff\xfe", KEY).state == FORGED


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "names no board in a network"),
        ('broker = "mqtt://h"', "names no boards"),
        ('broker = "mqtt://h"\n[boards]\n"a b" = []', "no board's name"),
        ('broker = "mqtt://h"\n[boards]\na = "x"', "is a list of texts"),
        ('broker = "mqtt://h"\n[boards]\na = []\n[groups]\ng = ["x"]', "x is no board, group"),
        ('broker = "mqtt://h"\ncolour = 1', "unknown key 'colour'"),
        ("broker", "is no TOML"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, what: str
) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=what):
        load_fleet(file)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", r"has no \[\[wave\]\]"),
        ("[[wave]]\nshare = 2", "share is above 0"),
        ('[[wave]]\nboards = ["x"]', "x is no board"),
        ('back = "home"\n[[wave]]', "back is"),
        ("soak_s = -1\n[[wave]]", "soak_s is a number"),
        ("[[wave]]\n[[check]]\nservice = 'a'", "operation"),
        ("speed = 1\n[[wave]]", "unknown key 'speed'"),
    ],
)
def test_a_rollout_that_cannot_be_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, what: str
) -> None:
    (tmp_path / "fleet.toml").write_text('broker = "mqtt://h"\n[boards]\na = []\n')
    file = tmp_path / "spring.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=what):
        load_rollout(file)
