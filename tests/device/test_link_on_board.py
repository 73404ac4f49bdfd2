"""The link against the real console service: the image that ships, on the emulated Pico.

The first tests run on any target of the plugin. The last ones serve a board and use it as a
person does, with one program after the other on its port.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from chrome_format import load
from hostile import Hostile, answer, open_session
from processes import started

from bulkhead_host import abi
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.inject import inject
from bulkhead_host.commands.postmortem import postmortem, report
from bulkhead_host.commands.trace import export
from bulkhead_host.commands.why import why
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import DeviceTimeout, NotPermitted, UsageError
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.dump import load_dump, take_dump, to_json
from bulkhead_host.link.frames import Frame
from bulkhead_host.link.key import device_key
from bulkhead_host.link.recording import record
from bulkhead_host.link.services import Table
from bulkhead_host.link.trace import collect
from bulkhead_host.view.graph import edges
from bulkhead_host.view.services import STOPPED_STATES
from pytest_bulkhead import Board

BIN = Path(sys.executable).parent
BULKHEAD = str(BIN / "bulkhead")
WAIT_S = 300
HOSTILE_LINES = int(os.environ.get("BULKHEAD_HOSTILE_LINES", "100"))
HEARTBEAT_S = 5  # of the device, in which a hung blink is found, by its heartbeat_ms, and back


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("image") / "bulkhead-pico.uf2"
    return build(BuildOptions(output=output)).path


class Log:
    """The lines a board has written since the test began."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def has(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self._lines)


@pytest.fixture
def log(board: Board) -> Log:
    return Log(board.log)


@pytest.fixture
def client(board: Board) -> Client:
    return board.kernel.client


def generations(table: Table) -> dict[str, int]:
    return {service.name: service.generation for service in table.services}


def test_the_board_says_who_it_is(client: Client) -> None:
    hello = client.hello()
    assert (hello.abi, hello.board, hello.application) == (abi.ABI, "pico", "demo")
    assert hello.services >= 8


def test_the_table_names_the_core_services_with_their_priorities(client: Client) -> None:
    table = client.table()
    assert {"supervisor", "logger", "console", "led", "button", "thermometer", "blink",
            "crasher"} <= set(table.names)  # fmt: skip
    supervisor, console = table.named("supervisor"), table.named("console")
    assert supervisor is not None
    assert console is not None
    assert supervisor.priority == 0
    assert console.waits_for == "supervisor"
    assert all(service.state in abi.STATE_NAMES for service in table.services)


@pytest.mark.parametrize(
    ("kind", "faults", "within_s"),
    [
        ("crash", {"EXCEPTION", "INJECTED"}, 1),
        ("spin", {"BUDGET"}, 1),
        ("hang", {"HEARTBEAT"}, HEARTBEAT_S),
        ("leak", {"MEMORY", "BUDGET"}, 1),
    ],
)
def test_an_injection_faults_its_target_alone_and_it_is_back(
    client: Client, log: Log, kind: str, faults: set[str], within_s: float
) -> None:
    before = client.table()
    inject(client, kind, "blink")
    client.listen(within_s)
    after = client.table()
    expected = generations(before)
    expected["blink"] += 1
    assert generations(after) == expected
    blink = after.named("blink")
    assert blink is not None
    assert blink.fault in faults
    assert blink.state not in STOPPED_STATES
    assert log.has("blink", "faulted", str(blink.fault))


def test_the_service_that_answers_can_be_crashed_too(client: Client, log: Log) -> None:
    before = client.table()
    assert inject(client, "crash", "console") == "asked console to raise an exception"
    expected = generations(before)
    expected["console"] += 1
    assert generations(client.table()) == expected
    assert log.has("console faulted")


def test_a_dropped_reply_harms_nobody(client: Client) -> None:
    before = client.table()
    inject(client, "drop-reply", "led")
    client.listen(8)
    assert generations(client.table()) == generations(before)


def test_a_storm_and_a_clock_jump_need_nothing_around_the_board(client: Client) -> None:
    before = client.table()
    inject(client, "interrupt-storm", "button")
    client.listen(0.5)
    button = client.table().named("button")
    assert button is not None
    assert button.fault == "STORM"
    expected = generations(before)
    expected["button"] += 1
    asked_s = client.transport.clock_s()
    assert inject(client, "clock-jump") == "clock-jump: nothing runs for 1 s"
    client.table()
    assert client.transport.clock_s() - asked_s > 1
    inject(client, "link-noise")
    assert generations(client.table()) == expected


def test_the_text_of_a_fault_is_its_traceback(client: Client) -> None:
    inject(client, "crash", "blink")
    client.listen(1)
    text = client.fault_text("blink")
    assert "Traceback" in text
    assert "InjectedCrash" in text


def test_a_service_is_held_until_it_is_released(client: Client) -> None:
    before = generations(client.table())
    client.control("blink", "hold")
    client.listen(1)
    blink = client.table().named("blink")
    assert blink is not None
    assert blink.state == "held"
    client.control("blink", "hold")
    client.control("blink", "release")
    client.listen(0.2)
    assert generations(client.table()) == {**before, "blink": before["blink"] + 1}
    blink = client.table().named("blink")
    assert blink is not None
    assert blink.state not in STOPPED_STATES


def test_a_restart_on_purpose_is_no_fault(client: Client, log: Log) -> None:
    before = generations(client.table())
    client.control("led", "restart")
    client.listen(1)
    assert not log.has("led faulted")
    assert generations(client.table()) == {**before, "led": before["led"] + 1}


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("supervisor", "hold"),
        ("console", "hold"),
        ("blink", "release"),
        ("nobody", "hold"),
    ],
)
def test_what_cannot_be_controlled_is_refused(client: Client, name: str, verb: str) -> None:
    before = generations(client.table())
    with pytest.raises(NoSuchTarget):
        client.control(name, verb)
    assert generations(client.table()) == before


def test_a_dump_of_the_board_is_read_again_as_it_was(
    client: Client, board: Board, tmp_path: Path
) -> None:
    inject(client, "crash", "blink")
    dump = take_dump(client, log=board.log, listen_s=1)
    assert "InjectedCrash" in dump.faults["blink"].text
    assert any("blink faulted" in line for line in dump.log)
    file = tmp_path / "board.json"
    file.write_text(to_json(dump))
    assert load_dump(file) == dump


def test_an_unknown_target_is_refused_by_name(client: Client) -> None:
    with pytest.raises(UsageError) as caught:
        inject(client, "crash", "nobody")
    assert "crasher" in caught.value.next_step


def test_watching_changes_no_generation_and_keeps_its_interval(client: Client) -> None:
    before = client.table()
    until_s = client.transport.clock_s() + 7
    tables = [table for table in client.watch(interval_ms=500, until_s=until_s) if table]
    assert 12 <= len(tables) <= 15
    assert {json.dumps(generations(table)) for table in tables} == {
        json.dumps(generations(before))
    }


def test_noise_on_the_line_is_survived_by_the_board(client: Client) -> None:
    frame = abi.encode(abi.INJECT, 9, b"\x01blink")
    before = client.table()
    endless = b"\x1e" + b"A" * 3000 + b"\n"
    for noise in (b"\x1e", frame[:-6] + b"\n", endless, frame[1:], b"\x00\xff"):
        client.transport.write(noise)
        client.listen(0.2)
    assert generations(client.table()) == generations(before)


def test_a_change_takes_the_boards_key_and_each_order_counts_once(client: Client) -> None:
    before = client.table()
    transport = client.transport
    bare = answer(transport, abi.encode(abi.INJECT, 240, b"\x01blink"))
    assert bare == Frame(abi.STATUS, 240, bytes([abi.NO_SESSION]))
    with pytest.raises(NotPermitted, match="another key"):
        Client(transport, key=bytes(range(32))).inject("blink", "crash")

    session = open_session(transport, device_key())
    restart = bytes([abi.CONTROL, abi.CONTROL_NAMES.index("restart")]) + b"led"
    forged = bytearray(session.order(restart))
    forged[-1] ^= 1
    denied = answer(transport, abi.encode(abi.ORDER, 242, bytes(forged)))
    mac = abi.refusal_mac(device_key(), abi.DENIED, bytes(forged))
    assert denied.payload == bytes([abi.DENIED]) + mac
    assert generations(client.table()) == generations(before)

    order = abi.encode(abi.ORDER, 243, session.order(restart))
    first, *others = [answer(transport, order) for _ in range(3)]
    opened = abi.Answers(session, session.number).opened(first.payload)
    assert (first.kind, opened) == (abi.ANSWER, bytes([abi.STATUS, abi.OK]))
    assert [other.payload[0] for other in others] == [abi.REPLAYED, abi.REPLAYED]
    after = client.table()
    assert generations(after) == {**generations(before), "led": generations(before)["led"] + 1}
    assert after.losses.refused - before.losses.refused == 2
    assert after.losses.replayed - before.losses.replayed == 2


def test_any_operation_of_any_service_is_called(client: Client) -> None:
    client.control("blink", "hold")  # which uses the led, too
    before = client.table()
    for level in (1, 0):
        assert client.call("led", 1, level)[0] == abi.OK
        assert client.call("led", 3) == (abi.OK, level)
    status, hundredths = client.call("thermometer", 1)
    assert (status, type(hundredths)) == (abi.OK, int)
    assert client.call("led", 150)[0] == abi.REFUSED
    for value in (None, True, -5, 1 << 40, 2.5, "grün", b"\x00\xff", (1, "two", None)):
        assert client.call("crasher", 6, value) == (abi.OK, value)
    assert client.call("crasher", 5, timeout_ms=300) == (abi.TIMEOUT, None)
    for name in ("nobody", "console", "input", ""):
        with pytest.raises(NoSuchTarget):
            client.call(name, 1)
    assert generations(client.table()) == generations(before)
    client.control("blink", "release")


def test_what_fails_in_a_call_says_so_and_the_next_call_finds_it_again(client: Client) -> None:
    client.call("crasher", 1)
    client.listen(1)
    assert client.call("crasher", 6, 7) == (abi.OK, 7)


def test_hostile_frames_in_one_burst_are_refused_and_counted(client: Client) -> None:
    """The 10,000 are in the unix ring, where this very console takes a second for them.

    Here they take five minutes: BULKHEAD_HOSTILE_LINES says how many.
    """
    client.control("led", "restart")
    before = client.table()
    session = open_session(client.transport, device_key())
    harmless = session.order(bytes([abi.CONTROL, 9]) + b"nobody")
    assert answer(client.transport, abi.encode(abi.ORDER, 250, harmless)).payload != b"\x00"
    hostile = Hostile(seed=5, session=session, taken=[harmless])
    client.transport.write(b"".join(hostile.lines(HOSTILE_LINES)))
    client.listen(HOSTILE_LINES / 100)
    after = client.table()
    assert generations(after) == generations(before), client.fault_text("console")
    for what in ("damaged", "refused", "replayed"):
        counted = getattr(after.losses, what) - getattr(before.losses, what)
        assert counted == getattr(hostile.expected, what), what


def test_a_session_ends_with_the_console_and_the_next_order_opens_another(client: Client) -> None:
    client.control("led", "restart")
    inject(client, "crash", "console")
    before = client.table()
    client.control("led", "restart")
    assert generations(client.table())["led"] == generations(before)["led"] + 1


def test_run_without_a_terminal_shows_a_crash_and_exits_0(tmp_path: Path) -> None:
    done = subprocess.run(
        [BULKHEAD, "run"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("NAME") == 2
    assert "injecting crash into blink" in done.stdout
    assert "blink crashed and is back: generation 1 -> 2" in done.stdout


def test_the_monitor_goes_on_after_a_reset_of_the_board(image: Path) -> None:
    with BoardServer(EmulatedBoard(image=image), PtyPort()) as server:
        server.call(lambda board: board.run_for(ms=500), timeout_s=WAIT_S)  # it is up
        monitor = [BULKHEAD, "monitor", "--interval-ms", "200", "--port", server.port.name]
        with started(monitor) as watching:
            assert watching.stdout is not None
            assert watching.stderr is not None
            assert any("pico  demo" in line for line in watching.stdout)
            server.call(lambda board: board.reset())
            assert any("the board has restarted" in line for line in watching.stderr)
            assert any("pico  demo" in line for line in watching.stdout)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(WAIT_S) == 0


def test_run_on_a_terminal_is_live_and_lets_another_program_inject(tmp_path: Path) -> None:
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "130", "LINES": "40"}
    run = [BULKHEAD, "run"]
    with started(run, terminal=slave, environment=environment, folder=tmp_path) as running:
        os.close(slave)
        hint = re.compile(rb"--port (/dev/pts/\d+)")
        match = hint.search(read_until(master, hint))
        assert match is not None
        program("bulkhead", "inject", "crash", "--target", "blink", port=match[1].decode())
        read_until(master, re.compile(rb"blink: generation 1 -> 2"))
        running.send_signal(signal.SIGINT)
        read_until(master, None)
        assert running.wait(WAIT_S) == 0
    os.close(master)


def read_until(descriptor: int, pattern: re.Pattern[bytes] | None) -> bytes:
    """Return what a terminal shows up to a match, or to the end of the program on it."""
    shown = b""
    while select.select([descriptor], [], [], WAIT_S)[0]:
        try:
            shown += os.read(descriptor, 65536)
        except OSError:  # how Linux tells that the other side is closed
            return shown
        if pattern is not None and pattern.search(shown):
            return shown
    raise AssertionError(f"it hangs after {shown!r}")


@pytest.fixture
def served_port(image: Path) -> Iterator[str]:
    with started([BULKHEAD, "sim", "--image", str(image)]) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.send_signal(signal.SIGTERM)
        server.wait(WAIT_S)


def program(name: str, *arguments: str, port: str = "") -> str:
    done = subprocess.run(
        [BIN / name, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "BULKHEAD_PORT": port},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.bulkhead_needs("emulator")
def test_a_monitor_that_comes_and_goes_100_times_changes_no_generation(board: Board) -> None:
    console = board.emulator.console
    transport = board.kernel.client.transport
    for _ in range(100):
        console.set_terminal_attached(True)
        client = Client(transport)
        client.hello()
        watched = next(client.watch(interval_ms=1000))
        assert watched is not None
        assert generations(watched) == generations(board.before)
        console.set_terminal_attached(False)
        board.clock.run_for(50)
    console.set_terminal_attached(True)
    board.kernel.assert_untouched(board.before)


def test_programs_take_turns_on_a_served_board(served_port: str) -> None:
    before = json.loads(program("bulkhead", "ps", "--json", port=served_port))["services"]
    assert len(before) >= 8
    program("bulkhead", "inject", "spin", "--target", "blink", port=served_port)
    watched = program("bulkhead", "monitor", "--for", "2", port=served_port)
    assert "blink" in watched
    after = json.loads(program("bulkhead", "ps", "--json", port=served_port))["services"]
    (old,) = [service for service in before if service["name"] == "blink"]
    (new,) = [service for service in after if service["name"] == "blink"]
    assert (new["generation"], new["fault"]) == (old["generation"] + 1, "BUDGET")
    printed = program("mpremote", "connect", served_port, "resume", "exec", "print(1+1)")
    assert printed.strip() == "2"
    assert "demo on pico was reset after " in program("bulkhead", "reset", port=served_port)
    told = program("bulkhead", "postmortem", port=served_port)
    assert "the board was reset: console took the order of a person, at " in told
    assert "no service has failed since" in told


def test_supervisor_counts_its_own_restart_once(client: Client) -> None:
    before = {service.name: service for service in client.table().services}
    inject(client, "crash", "supervisor")
    client.listen(1)
    after = {service.name: service for service in client.table().services}
    assert after["supervisor"].generation == before["supervisor"].generation + 1
    assert after["supervisor"].restarts == before["supervisor"].restarts + 1
    for name in before.keys() - {"supervisor"}:
        assert after[name].generation == before[name].generation


def test_a_second_of_the_demo_is_a_trace_with_every_call_answered(
    client: Client, board: Board
) -> None:
    inject(client, "crash", "blink")
    found = record(client, seconds=1, said=board.log)
    text, told = export(found, form="chrome", has_observer=True)
    loaded = load(text)
    named = {name.partition(",")[0] for name in loaded.tracks.values()}
    assert set(board.before.names) < named
    arrows = {tuple(end.partition(",")[0] for end in one) for one in loaded.arrows}
    assert {("blink", "led"), ("console", "supervisor")} <= arrows
    loaded.instants = [(who.partition(",")[0], what) for who, what in loaded.instants]
    assert ("blink", "EXCEPTION") in loaded.instants
    assert ("blink", "started") in loaded.instants
    assert ("console", "interrupt of line 0") in loaded.instants
    if not found.trace.lost:
        assert told.shown.unanswered <= 1  # the console's, as it waited when the last was read


def test_a_call_that_hangs_is_explained_and_calls_are_counted(client: Client) -> None:
    before = {(one.source, one.target): one for one in edges(collect(client, seconds=0))}
    inject(client, "drop-reply", "led")
    client.listen(0.6)
    chain = why(client.table(), "blink")
    assert [wait.service for wait in chain] == ["blink", "led"]
    assert chain[0].text == "has called led, which has received the call and owes the answer"
    client.listen(2)
    after = {(one.source, one.target): one for one in edges(collect(client, seconds=1))}
    blink = after["blink", "led"]
    assert blink.kinds == ("call",)
    assert blink.uses > before["blink", "led"].uses
    assert blink.latency_us is not None
    assert 0 < blink.latency_us < 5000


def test_a_supervisor_that_dies_too_often_is_named_after_the_reset(client: Client) -> None:
    for _ in range(8):
        with suppress(DeviceTimeout, NoSuchTarget):
            client.inject("supervisor", "crash")
        client.listen(0.1)
        found = postmortem(client)
        if found.crash is not None:
            break
    assert found.crash is not None
    assert (found.crash.kind, found.crash.task) == (abi.SUPERVISOR_DIED, 1)
    assert "the board was reset: supervisor died too often" in report(found)[1]
