"""`devs`, `dump`, `log`, `top` and `completion` as programs, on a fake board's pseudo-terminal."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from desk import PROGRAM, WAIT_S, Desk, bulkhead, read_to_end, read_until
from fake_board import FakeBoard, FakeLine
from processes import started

from bulkhead_host import abi
from bulkhead_host.cli import COMMANDS, group
from bulkhead_host.commands.log import log
from bulkhead_host.link.boards import find_boards
from bulkhead_host.link.log import LogFilter, LogLine, parse_line
from bulkhead_host.link.ports import UsbPort
from bulkhead_host.view.keys import parse_keys
from bulkhead_host.view.top import SORTS

LOG = [
    "    1.000 I blink: the chip is at 27.05 C",
    "    2.000 W supervisor: blink faulted: BUDGET, generation 2, again at once",
    "Traceback (most recent call last):",
    "    3.000 E led: no such pin",
]


@pytest.fixture
def dump_file(desk: Desk, tmp_path: Path) -> Path:
    """Return a dump of a board on which blink has failed."""
    desk.board.services[6].fault = abi.FAULT_NAMES.index("BUDGET")
    desk.board.faults["blink"] = (7, 2, 2, 0, 0, 0, 1, 1500)
    file = tmp_path / "board.json"
    done = bulkhead("dump", str(file), port=desk.port)
    assert (done.returncode, done.stdout) == (0, "")
    return file


# devs


def test_devs_asks_the_ports_that_are_named(desk: Desk) -> None:
    done = bulkhead("devs", desk.port)
    assert done.returncode == 0
    header, row = done.stdout.splitlines()
    assert " ".join(header.split()) == "PORT SERIAL BOARD VERSION APPLICATION ACCESS SERVICES"
    assert row.split()[:5] == [desk.port, "pico", "0.1.0", "demo", "open"]
    assert "blink crasher" in row


def test_devs_asks_the_port_that_the_environment_names(desk: Desk) -> None:
    done = bulkhead("devs", BULKHEAD_PORT=desk.port)
    assert desk.port in done.stdout
    assert "blink crasher" in done.stdout


def test_what_is_no_serial_port_leads_to_the_list_of_them(tmp_path: Path) -> None:
    done = bulkhead("ps", port=str(tmp_path))
    assert (done.returncode, done.stderr.splitlines()[1]) == (
        2,
        "  try: see which there are: bulkhead devs",
    )


def test_devs_json_is_for_programs_and_says_what_is_wrong(desk: Desk) -> None:
    desk.board.is_deaf = True
    (found,) = json.loads(bulkhead("devs", "--json", desk.port).stdout)
    assert found["hello"] is None
    assert "no answer" in found["problem"]


def test_devs_asks_micropythons_usb_ports_and_lists_the_others(desk: Desk) -> None:
    ports = [
        UsbPort(device=desk.port, serial_number="e66", is_micropython=True),
        UsbPort(device="/dev/nowhere", serial_number="", is_micropython=False, description="GPS"),
    ]
    board, other = find_boards(list_usb=lambda: ports)
    assert board.hello is not None
    assert (board.serial_number, board.hello.application) == ("e66", "demo")
    assert (other.hello, other.problem, other.description) == (None, None, "GPS")


# ps


@pytest.mark.parametrize("columns", ["80", "", "none"])
def test_ps_goes_by_the_columns_that_there_are(desk: Desk, columns: str) -> None:
    desk.board.services[6].fault = abi.FAULT_NAMES.index("EXCEPTION")
    done = bulkhead("ps", port=desk.port, COLUMNS=columns)
    _, line, head, *rows = done.stdout.splitlines()
    assert line.startswith("free heap 98/195 KB  files 977/1408 KB")
    assert line.endswith("reset: power-on")
    assert len(rows) == len(desk.board.services)
    if columns == "80":
        assert max(map(len, [line, head, *rows])) <= 80
        assert "WAITS FOR" in head
    else:
        assert "MEMORY  STEPS  CLIENTS" in head


# dump


def test_a_dump_has_what_ps_shows_and_the_faults(desk: Desk, dump_file: Path) -> None:
    found = json.loads(dump_file.read_text())
    assert found["faults"]["blink"]["text"] == "Traceback of blink\n"
    assert found["hello"]["board"] == "pico"
    live = json.loads(bulkhead("ps", "--json", port=desk.port).stdout)
    assert json.loads(bulkhead("ps", "--json", "--dump", str(dump_file)).stdout) == live


def test_views_of_a_dump_take_no_board(dump_file: Path) -> None:
    for command in (["ps"], ["top"], ["top", "--json"], ["fault", "blink"]):
        done = bulkhead(*command, "--dump", str(dump_file))
        assert (done.returncode, done.stderr) == (0, "")
        assert "blink" in done.stdout


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1}', '{"format": 2}', "not json"])
def test_a_file_that_is_no_dump_exits_2(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    done = bulkhead("ps", "--dump", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "try: " in done.stderr


def test_what_a_newer_version_adds_to_a_dump_is_ignored(dump_file: Path) -> None:
    found = json.loads(dump_file.read_text())
    found["services"][0]["colour"] = "blue"
    dump_file.write_text(json.dumps(found))
    assert bulkhead("ps", "--dump", str(dump_file)).returncode == 0


# log


def test_a_line_of_the_log_has_time_level_service_and_text() -> None:
    assert parse_line(LOG[0]) == LogLine(
        uptime_ms=1000, level="I", service="blink", text="the chip is at 27.05 C"
    )
    assert parse_line(LOG[2]) is None


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (LogFilter(), [0, 1, 2, 3]),
        (LogFilter(services=("blink",)), [0, 1, 2]),
        (LogFilter(services=("supervisor",)), [1, 2]),
        (LogFilter(level="W"), [1, 2, 3]),
        (LogFilter(level="E"), [3]),
        (LogFilter(services=("blink", "led"), level="E"), [3]),
        (LogFilter(services=("nobody",)), []),
    ],
)
def test_the_log_is_filtered_by_service_and_level(wanted: LogFilter, shown: list[int]) -> None:
    assert [number for number, line in enumerate(LOG) if wanted.wants(line)] == shown


def test_log_of_a_dump_is_filtered_and_json_is_for_programs(dump_file: Path) -> None:
    found = json.loads(dump_file.read_text())
    dump_file.write_text(json.dumps({**found, "log": LOG}))
    done = bulkhead("log", "--level", "error", "--dump", str(dump_file))
    assert done.stdout.splitlines() == [LOG[3]]
    done = bulkhead("log", "--service", "blink", "--json", "--dump", str(dump_file))
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == [
        "the chip is at 27.05 C",
        "blink faulted: BUDGET, generation 2, again at once",
        LOG[2],
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--last", "2"), LOG[1::2][-2:]),
        (("--last", "60"), [LOG[0], LOG[1], LOG[3]]),
        (("--last", "1", "--service", "blink"), [LOG[1]]),
        (("--last", "5", "--level", "error"), [LOG[3]]),
    ],
)
def test_log_prints_the_last_lines_that_the_board_keeps(
    desk: Desk, options: tuple[str, ...], shown: list[str]
) -> None:
    desk.board.kept_log = [LOG[0], LOG[1], LOG[3]]
    done = bulkhead("log", *options, port=desk.port)
    assert (done.returncode, done.stdout.splitlines()) == (0, shown)
    assert [frame.kind for frame in desk.board.requests] == [abi.LOG] * 4


@pytest.mark.parametrize("options", [("--last", "3"), ("--for", "1"), ("-f",), ()])
@pytest.mark.parametrize("of_a_dump", [False, True])
def test_log_of_an_unknown_service_lists_what_there_is(
    desk: Desk, dump_file: Path, of_a_dump: bool, options: tuple[str, ...]
) -> None:
    place = ("--dump", str(dump_file)) if of_a_dump else ("--port", desk.port)
    done = bulkhead("log", "--service", "blnk", *options, *place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no service 'blnk'" in done.stderr
    assert "thermometer, blink" in done.stderr
    assert bulkhead("log", "--service", "blink", "--last", "3", *place).returncode == 0


def test_log_says_how_many_lines_there_can_be(desk: Desk) -> None:
    for count in ("0", "65", "-1", "x"):
        done = bulkhead("log", "--last", count, port=desk.port)
        assert done.returncode == 2
        assert "1<=x<=64" in done.stderr or "not a valid integer" in done.stderr


def test_log_follows_and_sends_nothing(desk: Desk) -> None:
    desk.board.chatter = "\r\n".join([*LOG, ""]).encode()
    with started([PROGRAM, "log", "-f", "--level", "warning", "--port", desk.port]) as following:
        assert following.stdout is not None
        lines = [following.stdout.readline().rstrip() for _ in range(6)]
        assert LOG[1:] == lines[lines.index(LOG[1]) :][:3]
        following.send_signal(signal.SIGINT)
        assert following.wait(WAIT_S) == 0
    assert desk.board.received == b""


def test_log_ends_where_nobody_reads_it_though_the_board_says_nothing(desk: Desk) -> None:
    desk.board.chatter = f"{LOG[0]}\r\n".encode()
    with started([PROGRAM, "log", "-f", "--port", desk.port]) as following:
        assert following.stdout is not None
        following.stdout.readline()
        desk.board.chatter = b""
        following.stdout.close()
        assert following.wait(WAIT_S) == 141
        following.stdout = None


def test_log_without_follow_ends_when_nothing_comes() -> None:
    line, shown = FakeLine(FakeBoard()), list[str]()
    line.after(0.5, b"one\r\n")
    line.after(1.4, b"two\r\n")
    line.after(3, b"three\r\n")
    log(lambda: line, shown.append, is_following=False)
    assert shown == ["one", "two"]


def test_log_with_a_time_listens_for_that_long() -> None:
    line, shown = FakeLine(FakeBoard()), list[str]()
    line.after(3, b"three\r\n")
    line.after(6, b"six\r\n")
    log(lambda: line, shown.append, is_following=False, for_s=5)
    assert shown == ["three"]


def test_log_waits_for_a_line_that_is_lost() -> None:
    lost, back = FakeLine(FakeBoard()), FakeLine(FakeBoard())
    shown, notices = list[str](), list[str]()
    lost.after(0.5, lost.cut)
    back.after(0.5, b"again\r\n")
    lines = [back, lost]
    log(lines.pop, shown.append, is_following=True, for_s=2, notice=notices.append)
    assert shown == ["again"]
    assert ["went away" in notices[0], "is back" in notices[1]] == [True, True]


# top


@contextmanager
def top(
    desk: Desk, *options: str, **environment: str
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run `bulkhead top` on a terminal; give the terminal's other end."""
    master, slave = os.openpty()
    given = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30", **environment}
    command = [PROGRAM, "top", "--interval-ms", "100", "--port", desk.port, *options]
    try:
        with started(command, terminal=slave, environment=given) as running:
            os.close(slave)
            yield master, running
    finally:
        os.close(master)


def test_top_on_a_terminal_is_live_and_q_leaves(desk: Desk) -> None:
    with top(desk) as (terminal, running):
        read_until(terminal, b"CPU %")
        os.write(terminal, b"q")
        read_to_end(terminal)
        assert running.wait(WAIT_S) == 0
    assert b"\x03" not in desk.board.received


def test_keys_of_top_sort_choose_hold_restart_and_open(desk: Desk) -> None:
    desk.board.services[2].state = abi.STATE_NAMES.index("dormant")
    with top(desk, "--sort", "start") as (terminal, running):
        read_until(terminal, b"sorted by start")
        os.write(terminal, b"jh")
        read_until(terminal, b"hold: logger")
        os.write(terminal, b"\x1b[Bh")
        read_until(terminal, b"release: console")
        os.write(terminal, b"kr")
        read_until(terminal, b"restart: logger")
        os.write(terminal, b"\r")
        read_until(terminal, b"Traceback of logger")
        os.write(terminal, b"s")
        read_until(terminal, b"sorted by cpu")
        os.write(terminal, b"q")
        read_to_end(terminal)
        assert running.wait(WAIT_S) == 0
    assert desk.board.controls == [
        ("logger", "hold"),
        ("console", "release"),
        ("logger", "restart"),
    ]


def test_ctrl_c_leaves_top_and_gives_the_terminal_back(desk: Desk) -> None:
    with top(desk) as (terminal, running):
        read_until(terminal, b"\x1b[?1049h")
        read_until(terminal, b"NAME")
        running.send_signal(signal.SIGINT)
        assert b"\x1b[?1049l" in read_to_end(terminal)
        assert running.wait(WAIT_S) == 0


def test_no_color_is_heeded(desk: Desk) -> None:
    desk.board.services[6].fault = 1
    with top(desk, "--sort", "start", NO_COLOR="1") as (terminal, _):
        assert b"\x1b[33m" not in read_until(terminal, b"crasher")
    with top(desk, "--sort", "start") as (terminal, _):
        read_until(terminal, b"\x1b[33m")


def test_top_without_a_terminal_prints_one_table(desk: Desk) -> None:
    done = bulkhead("top", "--sort", "name", "--interval-ms", "100", port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    _, header, *rows = done.stdout.splitlines()
    assert "CPU %" in header
    names = [row.split()[0] for row in rows]
    assert names == sorted(names)


def test_top_json_has_the_share_of_the_processor(desk: Desk) -> None:
    done = bulkhead("top", "--json", "--interval-ms", "100", port=desk.port)
    assert all("cpu_percent" in one for one in json.loads(done.stdout)["services"])


def test_keys_are_told_apart() -> None:
    assert parse_keys("s\x1b[A\x1bOB\rq") == ["s", "up", "down", "enter", "q"]


def test_help_of_top_names_every_order() -> None:
    assert all(name in bulkhead("top", "--help").stdout for name in SORTS)


# repl


def test_repl_takes_a_terminal(desk: Desk) -> None:
    done = bulkhead("repl", port=desk.port)
    assert done.returncode == 2
    assert "mpremote" in done.stderr


# quiet and verbose


def test_quiet_leaves_out_notices_and_keeps_errors(desk: Desk, tmp_path: Path) -> None:
    file = str(tmp_path / "x.json")
    assert bulkhead("dump", file, port=desk.port).stderr == f"dump: wrote {file}\n"
    assert bulkhead("--quiet", "dump", file, port=desk.port).stderr == ""
    assert "there is no port" in bulkhead("--quiet", "ps", port="/dev/nowhere").stderr


def test_verbose_tells_where_an_error_arose() -> None:
    assert "Traceback" not in bulkhead("ps", port="/dev/nowhere").stderr
    done = bulkhead("--verbose", "ps", port="/dev/nowhere")
    assert done.returncode == 3
    assert "Traceback" in done.stderr


# completion and help


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    done = bulkhead("completion", shell)
    assert done.returncode == 0
    assert "_BULKHEAD_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("bulkhead mon", "monitor"),
        ("bulkhead ps --js", "--json"),
        ("bulkhead ps --port aut", "auto"),
        ("bulkhead completion f", "fish"),
    ],
)
def test_a_shell_completes_commands_options_and_ports(words: str, wanted: str) -> None:
    last = str(len(words.split()) - 1)
    asked = {"_BULKHEAD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": last}
    assert f"plain,{wanted}" in bulkhead(**asked).stdout


def _examples(name: str) -> list[str]:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    marker, _, text = (command.epilog or "").partition(":")
    assert marker in ("Example", "Examples"), f"{name} --help shows no example"
    return [example.strip() for example in text.split(";  ")]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_examples_in_help_are_of_the_right_form(name: str) -> None:
    named = []
    for example in _examples(name):
        line = example.removeprefix('eval "$(').removesuffix(')"')
        parts = [shlex.split(part) for part in re.split(" && | [|] | > ", line)]
        shown = [words[1:] for words in parts if words[0] == "bulkhead"]
        assert shown
        for other, *arguments in shown:
            named.append(other)
            command = group.get_command(click.Context(group), other)
            assert command is not None
            command.make_parser(click.Context(command)).parse_args(arguments)
    assert name in named
