"""A recording as a person reads it: names of operations, waits, log lines, and no observer."""

from pathlib import Path

from chrome_format import load
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.commands.options import operations_of
from bulkhead_host.commands.trace import export, summary
from bulkhead_host.link.client import Client
from bulkhead_host.link.log import LogLine
from bulkhead_host.link.recording import Recording, record
from bulkhead_host.link.services import Capability, Hello, Service, Table
from bulkhead_host.link.trace import Trace, records
from bulkhead_host.view.story import story, told_lines

HELLO = Hello(abi=1, services=6, uptime_ms=0, version="0", board="pico", application="garden")
NAMES = ("supervisor", "console", "adc", "soil", "gardener", "cutoff")
SUPERVISOR, CONSOLE, ADC, SOIL, GARDENER, CUTOFF = range(1, 7)
# As firmware/kernel/abi.py has them.
RECV, ACKNOWLEDGE, INSPECT, READ_TRACE = 3 << 8, 9 << 8, 13 << 8, 24 << 8
WRITE = 2
OPERATIONS = {"adc": {1: "READ", 3: "MILLIVOLTS"}, "soil": {1: "READ"}}
BEGUN_US = abi.CPU_US_MODULUS - 50
UPTIME_MS = 4 * abi.CPU_US_MODULUS // 1000  # of the board at the trace's 74th microsecond


def step(task: int, trap: int) -> int:
    return abi.EVENT_STEP << 20 | task << 13 | trap


def may_call(task: int) -> Capability:
    return Capability(task=task, rights=abi.MAY_CALL, generation=1, badge=0, uses=1)


def service(name: str, *, priority: int, **more: object) -> Service:
    figures = dict.fromkeys(("cpu_us", "clients", "dropped", "restarts", "queue", "steps"), 0)
    return Service(
        name=name,
        priority=priority,
        effective_priority=priority,
        generation=1,
        fault=None,
        waits_for=None,
        **{"state": "receiving", **figures, **more},  # type: ignore[arg-type]
    )


def recorded(*happened: tuple[int, int], **more: object) -> Recording:
    words = [(1 + at, (BEGUN_US + one[0]) % abi.CPU_US_MODULUS, one[1])
             for at, one in enumerate(happened)]  # fmt: skip
    reach = {"gardener": (SOIL, ADC), "soil": (ADC,), "console": (SUPERVISOR,)}
    trace = Trace(
        records=tuple(records(words)),
        names=NAMES,
        capabilities={name: tuple(map(may_call, tasks)) for name, tasks in reach.items()},
        begun_us=BEGUN_US,
    )
    return Recording(hello=HELLO, trace=trace, **more)  # type: ignore[arg-type]


WATERING = (
    (0, abi.EVENT_ENTERED << 20),
    (10, step(GARDENER, abi.CALL | 1)),
    (30, step(SOIL, abi.CALL | 3)),
    (45, step(ADC, abi.REPLY_RECV)),
    (60, step(SOIL, abi.REPLY_RECV)),
    (75, step(GARDENER, RECV)),
)


def named(found: Recording) -> list[tuple[int, str, int, int]]:
    shown = story(found, operations=OPERATIONS).shown
    return [(one.task, one.name, one.start_us, one.end_us) for one in shown.slices]


def test_a_step_is_named_by_what_it_serves_and_what_it_calls() -> None:
    assert named(recorded(*WATERING)) == [
        (GARDENER, "gardener -> soil.READ", 0, 10),
        (SOIL, "soil.READ -> adc.MILLIVOLTS", 10, 30),
        (ADC, "adc.MILLIVOLTS: reply_recv OK", 30, 45),
        (SOIL, "soil.READ: reply_recv OK", 45, 60),
        (GARDENER, "recv", 60, 75),
    ]


def test_a_call_without_an_answer_is_named_where_one_server_only_can_be_meant() -> None:
    lost = (WATERING[0], (10, step(GARDENER, abi.CALL | 3)))  # soil has no operation 3
    assert named(recorded(*lost)) == [(GARDENER, "gardener -> adc.MILLIVOLTS", 0, 10)]
    either = (WATERING[0], (10, step(GARDENER, abi.CALL | 1)))
    assert named(recorded(*either)) == [(GARDENER, "gardener -> call 1", 0, 10)]


def test_waits_lie_between_the_steps() -> None:
    told = story(recorded(*WATERING), operations=OPERATIONS)
    assert [(one.task, one.name, one.start_us, one.end_us) for one in told.waits] == [
        (GARDENER, "waits for soil.READ", 10, 60),
        (SOIL, "waits for adc.MILLIVOLTS", 30, 45),
    ]


LOOKING = (
    (80, abi.EVENT_INTERRUPT << 20 | CONSOLE << 13),
    (85, step(CONSOLE, abi.CALL | 9)),
    (90, step(SUPERVISOR, READ_TRACE)),
    (95, step(SUPERVISOR, abi.REPLY_RECV)),
    (99, step(CONSOLE, ACKNOWLEDGE | WRITE)),
    (101, step(CONSOLE, RECV)),
)


def test_who_looked_is_left_out_and_counted_and_can_be_shown() -> None:
    found = recorded(*WATERING, *LOOKING)
    told = story(found, operations=OPERATIONS)
    assert {one.task for one in told.shown.slices} == {GARDENER, SOIL, ADC}
    assert (told.left_out, told.shown.instants) == (5, [])
    assert "5 of the observer left out" in summary(found.trace, told)
    whole = story(found, operations=OPERATIONS, has_observer=True)
    assert {CONSOLE, SUPERVISOR} <= {one.task for one in whole.shown.slices}
    assert [one.name for one in whole.shown.instants] == ["interrupt of line 0"]


def test_lines_tell_who_served_what_and_count_the_observer() -> None:
    fault = (77, abi.EVENT_FAULT << 20 | SOIL << 13 | abi.FAULT_NAMES.index("BUDGET"))
    lines = told_lines(story(recorded(*WATERING, fault, *LOOKING), operations=OPERATIONS))
    assert lines == [
        "    0.010 ms  gardener: gardener -> soil.READ",
        "    0.030 ms  soil: soil.READ -> adc.MILLIVOLTS",
        "    0.045 ms  adc: adc.MILLIVOLTS: reply_recv OK",
        "    0.060 ms  soil: soil.READ: reply_recv OK",
        "    0.075 ms  gardener: recv",
        "    0.077 ms  soil: fault BUDGET",
        "5 steps that answered the tool are left out",
    ]


def test_what_the_supervisor_does_by_itself_stays() -> None:
    own = ((110, step(SUPERVISOR, INSPECT | CUTOFF)), (115, step(SUPERVISOR, RECV)))
    told = story(recorded(*WATERING, *LOOKING, *own))
    assert [one.name for one in told.shown.slices if one.task == SUPERVISOR] == [
        "inspect cutoff",
        "recv",
    ]


def test_log_lines_and_figures_stand_where_they_were_by_the_boards_clock() -> None:
    def at(uptime_ms: int, cutoff: int) -> Table:
        rows = [service(name, priority=4) for name in NAMES[:-1]]
        rows[4] = service("gardener", priority=5, queue=2, memory_bytes=640)
        hard = service("cutoff", priority=0, state="attending", steps=cutoff)
        return Table(services=(*rows, hard), uptime_ms=uptime_ms)

    line = LogLine(uptime_ms=UPTIME_MS + 1, level="W", service="soil", text="dry")
    old = LogLine(uptime_ms=UPTIME_MS - 60_000, level="I", service="soil", text="up")
    tables = (at(UPTIME_MS + 1, 7), at(UPTIME_MS + 5, 9))
    late = (5_000, step(ADC, RECV))
    found = recorded(*WATERING, late, lines=(old, line), tables=tables)
    told = story(found, operations=OPERATIONS)
    ((task, words, time_us),) = [(one.task, one.name, one.time_us) for one in told.lines]
    assert (task, words) == (SOIL, "W dry")
    assert time_us == 754
    loaded = load(export(found, form="chrome", operations=OPERATIONS)[0])
    assert loaded.tracks[GARDENER] == "gardener, priority 5"
    assert loaded.counts["hard interrupts of cutoff"] == [7, 9]
    assert loaded.counts["queue of gardener"] == [2, 2]
    assert loaded.counts["heap of gardener, bytes"] == [640, 640]
    assert loaded.counts["clients of adc"] == [1, 0]
    assert "queue of soil" not in loaded.counts


def test_a_recording_has_tables_around_a_trace_and_what_was_said() -> None:
    board = FakeBoard(trace=[(10 * number, step(7, RECV)) for number in range(100)])
    line = FakeLine(board)
    line.after(0.1, b"    1.000 I blink: on\n")
    said: list[str] = []
    found = record(Client(line, on_output=said.append), seconds=0.3, said=said)
    assert [one.text for one in found.lines] == ["on"]
    assert len(found.tables) == 2
    assert found.trace.begun_us is not None


def test_operations_are_those_of_the_application_and_of_the_code_that_a_service_has(
    tmp_path: Path,
) -> None:
    (tmp_path / "system.toml").write_text("[system]\n")
    for name, text in (("zone", 'name = "zone"\n'), ("north", 'name = "north"\ncode = "zone"\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.toml").write_text(f"[service]\n{text}")
    (tmp_path / "zone" / "api.py").write_text("WATER = const(4)  # -> OK\n")
    found = operations_of(("north", "adc", "nobody"), tmp_path)
    assert found["north"] == {4: "WATER"}
    assert found["adc"][1] == "READ"
    assert "nobody" not in found
