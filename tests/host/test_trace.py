"""`bulkhead trace`: from records to a timeline, Chrome's trace events and VCD."""

import json
import re
from pathlib import Path

import pytest
from chrome_format import load
from desk import Desk, bulkhead
from fake_board import FakeBoard, FakeLine, FakeService

from bulkhead_host import abi
from bulkhead_host.commands.trace import export, summary
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.recording import Recording, record
from bulkhead_host.link.services import Capability, Hello
from bulkhead_host.link.trace import Trace, collect, records
from bulkhead_host.view.timeline import Slice, timeline

HELLO = Hello(abi=1, services=3, uptime_ms=0, version="0", board="pico", application="demo")
NAMES = ("driver", "server", "client")
DRIVER, SERVER, CLIENT = 1, 2, 3
RECV, SLEEP = 3 << 8, 7 << 8


def what(event: int, task: int, detail: int = 0, repeats: int = 0) -> int:
    return repeats << 24 | event << 20 | task << 13 | detail


def step(task: int, trap: int, repeats: int = 0) -> int:
    return what(abi.EVENT_STEP, task, trap, repeats)


def entered(task: int = 0) -> int:
    return what(abi.EVENT_ENTERED, task)


def trace_of(*happened: tuple[int, int], first: int = 1) -> Trace:
    """Return a trace of (time, what); the client may call the server and no one else."""
    words = [(first + index, *one) for index, one in enumerate(happened)]
    may_call = Capability(task=SERVER, rights=abi.MAY_CALL, generation=1, badge=0, uses=1)
    return Trace(records=tuple(records(words)), names=NAMES, capabilities={"client": (may_call,)})


def recording_of(*happened: tuple[int, int]) -> Recording:
    return Recording(hello=HELLO, trace=trace_of(*happened))


CALL_AND_REPLY = (
    (100, entered()),
    (110, step(CLIENT, abi.CALL | 5)),
    (130, step(SERVER, abi.REPLY_RECV)),
    (150, step(CLIENT, SLEEP)),
)


def test_a_task_ran_from_the_record_before_to_its_own() -> None:
    shown = timeline(trace_of(*CALL_AND_REPLY))
    assert [(one.task, one.name, one.start_us, one.end_us) for one in shown.slices] == [
        (CLIENT, "call 5", 0, 10),
        (SERVER, "reply_recv OK", 10, 30),
        (CLIENT, "sleep", 30, 50),
    ]


def test_an_arrow_leads_from_the_call_to_its_reply() -> None:
    (arrow,) = timeline(trace_of(*CALL_AND_REPLY)).arrows
    assert (arrow.call.name, arrow.reply.name) == ("call 5", "reply_recv OK")


def test_a_call_that_times_out_has_no_arrow() -> None:
    shown = timeline(trace_of(*CALL_AND_REPLY[:2], (900, entered()), (950, step(CLIENT, SLEEP))))
    assert (shown.arrows, shown.unanswered) == ([], 1)


def test_a_reply_of_a_service_that_cannot_be_called_is_no_answer() -> None:
    other = (120, step(DRIVER, abi.REPLY))
    (arrow,) = timeline(trace_of(*CALL_AND_REPLY[:2], other, *CALL_AND_REPLY[2:])).arrows
    assert arrow.reply.task == SERVER


def test_a_preempted_step_is_in_pieces_around_what_ran_on_top() -> None:
    shown = timeline(
        trace_of(
            (0, entered()),
            (40, entered(CLIENT)),
            (35, what(abi.EVENT_INTERRUPT, DRIVER, 2)),
            (45, step(DRIVER, RECV)),
            (70, entered(CLIENT)),
            (75, step(DRIVER, RECV)),
            (90, step(CLIENT, SLEEP)),
        )
    )
    mine = [one for one in shown.slices if one.task == CLIENT]
    assert [(one.start_us, one.end_us, one.piece, one.pieces) for one in mine] == [
        (0, 40, 1, 3),
        (45, 70, 2, 3),
        (75, 90, 3, 3),
    ]
    assert [(one.name, one.time_us) for one in shown.instants] == [("interrupt of line 2", 35)]


def test_a_fault_ends_the_step_it_came_in_and_is_an_instant() -> None:
    shown = timeline(
        trace_of(
            (0, entered()),
            (20, what(abi.EVENT_FAULT, CLIENT, abi.EXCEPTION)),
            (60, entered()),
            (90, what(abi.EVENT_STARTED, CLIENT)),
            (95, step(DRIVER, RECV)),
        )
    )
    assert shown.slices[0] == Slice(task=CLIENT, name="fault", start_us=0, end_us=20)
    assert [one.name for one in shown.instants] == ["EXCEPTION", "started"]


def test_a_dispatcher_that_begins_again_after_a_fault_is_no_run_of_the_preempted() -> None:
    shown = timeline(
        trace_of(
            (0, entered()),
            (10, entered(CLIENT)),
            (20, what(abi.EVENT_FAULT, DRIVER, abi.EXCEPTION)),
            (50, entered(CLIENT)),
            (60, step(SERVER, RECV)),
            (80, step(CLIENT, SLEEP)),
        )
    )
    mine = [(one.start_us, one.end_us) for one in shown.slices if one.task == CLIENT]
    assert mine == [(0, 10), (60, 80)]


def test_times_go_on_where_the_boards_counter_begins_again() -> None:
    last = abi.CPU_US_MODULUS - 10
    shown = timeline(trace_of((last, entered()), (15, step(CLIENT, SLEEP, repeats=3))))
    assert shown.slices == [
        Slice(task=CLIENT, name="sleep", start_us=0, end_us=25, repeats=3),
    ]


def test_records_that_are_missing_are_told_and_end_what_was_open() -> None:
    before = trace_of(*CALL_AND_REPLY[:2])
    after = trace_of((500, step(CLIENT, SLEEP)), first=12)
    found = Trace(records=before.records + after.records, names=NAMES)
    shown = timeline(found)
    assert found.lost == 9
    assert ("9 records lost", 0) in [(one.name, one.task) for one in shown.instants]
    assert (shown.arrows, shown.unanswered) == ([], 1)
    assert load(export(Recording(hello=HELLO, trace=found), form="chrome")[0]).arrows == []


def test_chrome_events_have_a_track_for_each_service_and_whole_arrows() -> None:
    text, shown = export(recording_of(*CALL_AND_REPLY), form="chrome")
    loaded = load(text)
    assert loaded.tracks == {0: "kernel", 1: "driver", 2: "server", 3: "client"}
    assert loaded.slices[CLIENT] == [
        (0, 10, "client -> server.5"),
        (10, 30, "waits for server.5"),
        (30, 50, "sleep"),
    ]
    assert loaded.arrows == [("client", "server")]
    assert summary(trace_of(*CALL_AND_REPLY), shown) == (
        "4 records in 0 ms, 0 lost; 3 slices, 1 calls answered, 0 not seen answered"
    )


def test_the_reader_of_the_format_refuses_what_is_wrong() -> None:
    text, _ = export(recording_of(*CALL_AND_REPLY), form="chrome")
    document = json.loads(text)
    events = document["traceEvents"]
    (flow,) = [event for event in events if event["ph"] == "f"]
    (first, *_) = [event for event in events if event["ph"] == "X"]
    for wrong in (
        [event for event in events if event is not flow],
        [*events, {**first, "ts": 5}],
        [*events, {**first, "dur": None}],
    ):
        with pytest.raises(AssertionError):
            load(json.dumps({"traceEvents": wrong}))


def test_vcd_has_a_wire_for_each_service_that_is_1_while_it_runs() -> None:
    text, _ = export(recording_of(*CALL_AND_REPLY), form="vcd")
    wires = {name: code for code, name in re.findall(r"\$var wire \d (\S) (\w+) \$end", text)}
    assert set(wires) == {"running", *NAMES}
    changes = [
        (int(block.split("\n", 1)[0]), block.split("\n")[1:]) for block in text.split("\n#")[1:]
    ]
    client = [
        (time, line[0]) for time, lines in changes for line in lines if line[1:] == wires["client"]
    ]
    assert client == [(0, "1"), (10, "0"), (30, "1"), (50, "0")]
    running = [(time, line.split()[0]) for time, lines in changes for line in lines if " " in line]
    assert running == [(0, "b11"), (10, "b10"), (30, "b11"), (50, "b0")]


def test_an_empty_trace_is_an_error() -> None:
    with pytest.raises(BulkheadError):
        export(Recording(hello=HELLO, trace=Trace()), form="chrome")


# Over the link


def test_the_ring_is_read_to_its_end_and_on() -> None:
    board = FakeBoard(trace=[(10 * number, step(7, SLEEP)) for number in range(100)])
    line = FakeLine(board)
    line.after(0.2, lambda: board.trace.extend([(2000, step(7, RECV))] * 40))
    found = collect(Client(line), seconds=0.5)
    assert [one.position for one in found.records] == list(range(38, 141))
    assert found.lost == 0
    assert found.names[6] == "blink"


class SteppingBoard(FakeBoard):
    """A board whose trace has the steps of reading its table, too."""

    def table(self, sequence: int) -> bytes:
        self.trace += [(900, step(1, RECV))] * 5 * len(self.services)
        return super().table(sequence)


@pytest.mark.parametrize(
    ("seconds", "services", "tables"), [(0, 8, 1), (0.5, 8, 2), (0.5, 12, 2), (0.5, 13, 1)]
)
def test_a_recording_begins_with_what_the_ring_held_and_loses_nothing_to_its_tables(
    seconds: float, services: int, tables: int
) -> None:
    names = [FakeService(str(number), number) for number in range(services)]
    board = SteppingBoard(services=names, trace=[(1, step(7, SLEEP))] * 63)
    found = record(Client(FakeLine(board)), seconds=seconds)
    assert found.trace.records[0].position == 1
    assert (found.trace.lost, len(found.tables)) == (0, tables)


def test_what_was_lost_between_two_readings_is_told() -> None:
    board = FakeBoard(trace=[(1, step(7, SLEEP))] * 10)
    line = FakeLine(board)
    line.after(0.2, lambda: board.trace.extend([(2000, step(7, RECV))] * 100))
    told: list[int] = []
    found = collect(Client(line), seconds=0.5, tell_lost=told.append)
    assert (found.lost, told) == (37, [37])
    assert found.records[-1].position == 110


def test_trace_as_a_program_writes_the_file_and_a_dump_gives_the_same(
    desk: Desk, tmp_path: Path
) -> None:
    desk.board.trace = [(0, entered()), (30, step(7, abi.CALL | 1)), (50, step(4, abi.REPLY))]
    desk.board.trace.append((70, step(7, SLEEP)))
    desk.board.capabilities["blink"] = [(4, abi.MAY_CALL, 1, 7, 5)]
    out, dump = tmp_path / "t.json", tmp_path / "dump.json"
    done = bulkhead("trace", "--seconds", "0", "-o", str(out), port=desk.port)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 calls answered" in done.stderr
    assert load(out.read_text()).arrows == [("blink, priority 6", "led, priority 3")]
    assert bulkhead("dump", str(dump), port=desk.port).returncode == 0
    assert bulkhead("trace", "--dump", str(dump)).stdout == out.read_text()
