"""`ps`, `inject`, `monitor` and `doctor` as programs, on a fake board's real pseudo-terminal."""

import json
import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from desk import PROGRAM, WAIT_S, Desk, bulkhead, read_to_end, read_until
from fake_board import FakeBoard, FakeLine, served
from processes import started

from bulkhead_host import abi
from bulkhead_host.commands.reset import RETURN_TIMEOUT_S, await_reset
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.link.client import Client


def test_ps_prints_a_table(desk: Desk) -> None:
    done = bulkhead("ps", port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    title, left, header, *rows = done.stdout.splitlines()
    assert title == "pico  demo  Bulkhead 0.1.0  up 5.000 s"
    assert left.startswith("free heap ")
    assert header.split()[:4] == ["NAME", "PRIORITY", "STATE", "GEN"]
    assert [row.split()[0] for row in rows] == [service.name for service in desk.board.services]


def test_ps_json_is_for_programs(desk: Desk) -> None:
    done = bulkhead("ps", "--json", port=desk.port)
    found = json.loads(done.stdout)
    assert found["uptime_ms"] == 5000
    assert len(found["services"]) == 8
    assert found["services"][0]["name"] == "supervisor"
    assert found["services"][0]["generation"] == 1


def test_the_port_may_come_from_the_environment(desk: Desk) -> None:
    done = bulkhead("ps", BULKHEAD_PORT=desk.port)
    assert done.returncode == 0
    assert "blink" in done.stdout


def test_inject_says_in_one_line_what_was_asked(desk: Desk) -> None:
    done = bulkhead("inject", "spin", "--target", "blink", port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "asked blink to run for ever without yielding\n"
    assert desk.board.injections == [("blink", "spin")]


@pytest.mark.parametrize(
    ("kind", "committed"),
    [
        ("supervisor-kill", ("supervisor", "crash")),
        ("clock-jump", ("console", "clock-jump")),
    ],
)
def test_inject_into_the_board_is_done_by_the_service_that_can(
    desk: Desk, kind: str, committed: tuple[str, str]
) -> None:
    done = bulkhead("inject", kind, port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{kind}: ")
    assert desk.board.injections == [committed]


def test_inject_of_a_starved_watchdog_takes_a_watchdog(desk: Desk) -> None:
    done = bulkhead("inject", "watchdog-starvation", port=desk.port)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no service 'watchdog'" in done.stderr


def test_inject_of_noise_and_a_reset_is_survived(desk: Desk) -> None:
    noise = bulkhead("inject", "link-noise", port=desk.port)
    assert (noise.returncode, noise.stderr) == (0, "")
    reset = bulkhead("inject", "reset", port=desk.port)
    assert reset.stdout == "reset: the board resets itself\n"
    assert desk.board.controls == [("", "reset")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["crash"], "add --target NAME"),
        (["reset", "--target", "led"], "leave --target out"),
    ],
)
def test_inject_says_whether_it_takes_a_target(arguments: list[str], words: str) -> None:
    done = bulkhead("inject", *arguments, port="/dev/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_inject_into_an_unknown_service_lists_the_known_ones(desk: Desk) -> None:
    done = bulkhead("inject", "crash", "--target", "blinky", port=desk.port)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no service 'blinky'" in done.stderr
    assert "led, button, thermometer, blink" in done.stderr


def test_inject_of_an_unknown_kind_lists_the_known_ones_and_opens_no_port() -> None:
    done = bulkhead("inject", "crush", "--target", "blink", port="/dev/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "crash, spin, hang, leak, drop-reply" in done.stderr


def test_inject_into_a_faulted_service_says_that_it_is(desk: Desk) -> None:
    desk.board.services[6].state = 8
    done = bulkhead("inject", "crash", "--target", "blink", port=desk.port)
    assert done.returncode == 1
    assert "it is faulted" in done.stderr


def test_fault_shows_what_is_kept_and_the_whole_traceback(desk: Desk) -> None:
    running = abi.STATE_NAMES.index("running")
    desk.board.faults["led"] = (4, 1, running, 3, 7, 0, 2, 1500)
    desk.board.tracebacks["led"] = "Traceback\n" + 60 * "  File\n" + "ValueError: why\n"
    done = bulkhead("fault", "led", port=desk.port)
    first, *rest = done.stdout.splitlines()
    assert first == (
        "led faulted: EXCEPTION at 1.500 s, generation 2, and the log names the next; "
        "it was running, its last trap gave operation 3, serving blink"
    )
    assert (len(rest), rest[-1]) == (62, "ValueError: why")


def test_fault_without_a_name_shows_what_ended_the_last_run(desk: Desk) -> None:
    desk.board.faults[""] = (7, 2, 2, 0, 0, 0, 5, 61_000)
    done = bulkhead("fault", port=desk.port)
    assert done.stdout == (
        "the board was reset: blink caught every kill, at 61.000 s, generation 5\n"
    )


def test_fault_of_a_service_that_had_none_says_so(desk: Desk) -> None:
    done = bulkhead("fault", "led", port=desk.port)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "nothing is kept of led\n"
    assert json.loads(bulkhead("fault", "led", "--json", port=desk.port).stdout)["fault"] is None


def test_fault_of_an_unknown_service_lists_the_known_ones(desk: Desk) -> None:
    done = bulkhead("fault", "nobody", port=desk.port)
    assert done.returncode == 2
    assert "crasher" in done.stderr


def test_inject_whose_answer_is_lost_is_told_by_the_generation(desk: Desk) -> None:
    def lose(line: bytes) -> bytes:
        decoded = abi.decode(line[1:-1])
        return b"" if decoded is not None and decoded[0] == abi.STATUS else line

    def lose_all_but_hello(line: bytes) -> bytes:
        decoded = abi.decode(line[1:-1])
        is_hello = decoded is not None and decoded[0] == abi.HELLO_IS
        return line if is_hello or not desk.board.injections[1:] else b""

    desk.board.is_ticking = True
    desk.board.lose = lose
    done = bulkhead("inject", "crash", "--target", "blink", port=desk.port)
    assert (done.returncode, done.stdout) == (0, "asked blink to raise an exception\n")
    assert desk.board.injections == [("blink", "crash")]
    desk.board.lose = lose_all_but_hello
    done = bulkhead("inject", "hang", "--target", "blink", port=desk.port)
    assert done.returncode == 5
    assert "is not known" in done.stderr
    assert len(desk.board.injections) == 2


@pytest.mark.parametrize("command", [["ps"], ["monitor"], ["inject", "crash", "--target", "x"]])
def test_a_port_that_is_not_there_exits_3_with_what_to_do(command: list[str]) -> None:
    done = bulkhead(*command, port="/dev/nowhere")
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no port /dev/nowhere" in done.stderr
    assert "try: " in done.stderr


def test_a_port_in_use_exits_4_and_names_the_program_that_has_it(desk: Desk) -> None:
    with started([PROGRAM, "monitor", "--port", desk.port]) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = bulkhead("ps", port=desk.port)
        assert done.returncode == 4
        assert f"(process {other.pid})" in done.stderr


def test_a_silent_board_exits_5_with_what_to_do(desk: Desk) -> None:
    desk.board.is_deaf = True
    done = bulkhead("ps", port=desk.port)
    assert done.returncode == 5
    assert "no answer" in done.stderr
    assert f"mpremote connect {desk.port} reset" in done.stderr


def test_a_board_at_its_repl_exits_5_and_says_so(desk: Desk) -> None:
    desk.board.is_at_repl = True
    done = bulkhead("ps", port=desk.port)
    assert done.returncode == 5
    assert "at its REPL" in done.stderr


def test_monitor_without_a_terminal_prints_lines_and_ends_by_itself(desk: Desk) -> None:
    done = bulkhead("monitor", "--for", "1", "--interval-ms", "200", port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("NAME") == 1
    assert b"\x03" not in desk.board.received


def test_monitor_tells_a_change_and_ends_with_0_at_ctrl_c(desk: Desk) -> None:
    with started([PROGRAM, "monitor", "--interval-ms", "100", "--port", desk.port]) as watching:
        assert watching.stdout is not None
        for _ in range(10):
            watching.stdout.readline()
        desk.board.services[6].generation = 2
        assert "blink: generation 1 -> 2" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, notices = watching.communicate(timeout=WAIT_S)
        assert (watching.returncode, notices) == (0, "")
    assert b"\x03" not in desk.board.received


def test_monitor_on_a_terminal_is_live_and_leaves_at_ctrl_c(desk: Desk) -> None:
    master, slave = os.openpty()
    command = [PROGRAM, "monitor", "--interval-ms", "100", "--port", desk.port]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    with started(command, terminal=slave, environment=environment) as watching:
        os.close(slave)
        shown = read_until(master, b"CPU %")
        watching.send_signal(signal.SIGINT)
        shown += read_to_end(master)
        assert watching.wait(WAIT_S) == 0
    os.close(master)
    assert b"Ctrl-C leaves" in shown
    assert re.search(rb"\x1b\[\d*A", shown), "the table is drawn in place"
    assert b"\x03" not in desk.board.received


def test_monitor_waits_for_a_port_that_comes_back(tmp_path: Path) -> None:
    """A link to a pseudo-terminal is the port: first one board's, then the next one's."""
    link = tmp_path / "port"
    command = [PROGRAM, "monitor", "--interval-ms", "100", "--port", str(link)]
    with ExitStack() as stack:
        with served(FakeBoard()) as port:
            link.symlink_to(port)
            watching = stack.enter_context(started(command))
            assert watching.stdout is not None
            assert watching.stderr is not None
            for _ in range(10):
                watching.stdout.readline()
            link.unlink()
        assert "went away" in watching.stderr.readline()
        with served(FakeBoard(uptime_ms=7)) as port:
            link.symlink_to(port)
            assert "is back" in watching.stderr.readline()
            assert "up 0.007 s" in watching.stdout.readline()
            watching.send_signal(signal.SIGINT)
            assert watching.wait(WAIT_S) == 0


@pytest.mark.parametrize("command", ["ps", "inject", "fault", "monitor", "run", "doctor"])
def test_help_has_an_example(command: str) -> None:
    done = bulkhead(command, "--help")
    assert done.returncode == 0
    assert f"bulkhead {command}" in done.stdout.partition("Example")[2]


def test_doctor_finds_a_board_that_answers(desk: Desk) -> None:
    done = bulkhead("doctor", "--json", port=desk.port)
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["port opens"]["is_ok"]
    assert "pico, application demo" in found["board answers"]["detail"]


def test_doctor_exits_1_and_says_what_mends_a_port_that_is_not_there() -> None:
    done = bulkhead("doctor", port="/dev/nowhere")
    assert done.returncode == 1
    *_, finding, mend = done.stdout.splitlines()
    assert finding.startswith("missing port")
    assert "try: " in mend


def test_run_refuses_a_folder_without_an_application(tmp_path: Path) -> None:
    done = bulkhead("run", str(tmp_path), port="/dev/nowhere")
    assert done.returncode == 2
    assert "holds no application" in done.stderr


def test_run_with_a_port_is_the_monitor_on_it(desk: Desk) -> None:
    done = bulkhead("run", "--for", "0.5", port=desk.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("NAME") == 1


def test_reset_is_ordered_and_the_board_that_is_back_is_named(desk: Desk) -> None:
    done = bulkhead("reset", port=desk.port)
    assert (done.returncode, desk.board.controls) == (0, [("", "reset")]), done.stderr
    assert done.stdout.startswith("demo on pico was reset after 5.0 s, and answers after ")
    done = bulkhead("reset", "--no-wait", port=desk.port)
    assert (done.returncode, done.stdout) == (0, "the board has taken the order to reset\n")


def test_a_board_that_goes_on_as_it_was_has_not_been_reset() -> None:
    line = FakeLine(FakeBoard())
    before = Client(line).hello()

    def sleep(seconds: float) -> None:
        line.read(seconds)

    with pytest.raises(DeviceTimeout) as caught:
        await_reset(lambda: line, before, clock_s=line.clock_s, sleep=sleep)
    assert f"not back within {RETURN_TIMEOUT_S:g} s" in caught.value.cause
    assert "unplug" in caught.value.next_step
    line.after(3, lambda: setattr(line.board, "uptime_ms", 0))
    after = await_reset(lambda: line, before, clock_s=line.clock_s, sleep=sleep)
    assert after.uptime_ms < before.uptime_ms
