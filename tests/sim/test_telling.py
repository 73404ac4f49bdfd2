"""What the supervisor packs of the kernel's words, for whoever asks it."""

import importlib
import struct
from array import array
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import pytest

from bulkhead.terms import CAPABILITY_FORMAT, FAULT_FORMAT, INSPECT_FORMAT, NO_TASK
from bulkhead_host.paths import source_root
from cases.ports import CasePort
from cases.rig import Rig, echo, idle
from kernel.abi import (
    CALL,
    CLOSING,
    EVENT_ENTERED,
    EVENT_STEP,
    EXCEPTION,
    HELD,
    KILLS_CAUGHT,
    MAY_ACKNOWLEDGE,
    MAY_CALL,
    MAY_CONTROL,
    RECEIVING,
    REPLY_RECV,
)  # fmt: skip
from kernel.limits import FAULTS_KEPT, MESSAGE_BYTES_MAX, TIME_MASK, TRACE_RECORDS

Script = Callable[[Any, int], Generator[int, int, Any]]


@pytest.fixture
def rig() -> Rig:
    return Rig(CasePort())


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(source_root())
    return importlib.import_module("services.supervisor.telling")


def asked(rig: Rig, script: Script, after_ms: int = 10) -> Any:
    """Return what `script` returns as a service that may control tasks."""

    def asker(task: Any) -> Generator[int, int, None]:
        yield task.sleep(after_ms)
        rig.log.append((yield from script(task, task.cap("kernel"))))
        rig.finish()

    rig.add("asker", asker, uses="kernel:control")
    rig.run(after_ms + 50)
    return rig.log[-1]


def ward(name: str = "", rests: int = 0) -> Any:
    """Return what `row` asks of a ward."""
    return SimpleNamespace(name=name, rests=rests, is_due=False, wants=bool)


def row_of(rig: Rig, telling: Any, number: int = 1) -> tuple[int, ...]:
    def script(task: Any, kernel: int) -> Generator[int, int, bytes]:
        yield task.inspect(kernel, number)
        packed: bytes = telling.row(number, task.arg, ward())
        return packed

    return struct.unpack_from(INSPECT_FORMAT, asked(rig, script), 1)


def test_row_ends_in_how_often_it_was_started_again_and_its_name(rig: Rig, telling: Any) -> None:
    def script(task: Any, kernel: int) -> Generator[int, int, tuple[bytes, ...]]:
        rows = []
        for _ in range(3):
            yield task.inspect(kernel, 1)
            rows.append(telling.row(1, task.arg, ward("idle")))
            yield task.stop(kernel, 1)
            yield task.inspect(kernel, 1)
            rows.append(telling.row(1, task.arg, ward("idle", rests=HELD)))
            yield task.start(kernel, 1)
            yield task.sleep(1)
        return tuple(rows)

    rig.add("idle", idle, priority=2)
    rows = asked(rig, script)
    api = importlib.import_module("services.supervisor.api")
    assert [row[api.RESTARTS_AT :] for row in rows] == [
        struct.pack("<H", restarts) + b"idle" for restarts in (0, 0, 1, 1, 2, 2)
    ]
    assert [row[api.STATE_AT] for row in rows] == [RECEIVING, HELD] * 3
    assert [row[0] for row in rows] == [len(row) for row in rows]


def test_rows_are_as_many_as_a_message_holds(rig: Rig, telling: Any) -> None:
    wards = [ward("n" * (20 + number)) for number in range(12)]

    def script(task: Any, kernel: int) -> Generator[int, int, list[bytes]]:
        told = []
        number = 1
        while number <= len(wards):
            told.append((yield from telling.rows(task, wards, number)))
            number += len(places(told[-1]))
        return told

    for one in wards[:-1]:
        rig.add(one.name, idle)
    places = importlib.import_module("services.supervisor.api").row_places
    told = asked(rig, script)
    assert all(len(rows) <= MESSAGE_BYTES_MAX for rows in told)
    rows = b"".join(told)
    numbers = [rows[at + 1] for at in places(rows)]
    assert numbers == list(range(1, 13))
    assert len(told) == 4


@pytest.mark.parametrize(
    ("timeout_ms", "seconds"),
    [(None, 0), (900, 1), (3_600_000, 3600), (100_000_000, 65535)],
)
def test_row_tells_how_long_a_wait_has_left(
    rig: Rig, telling: Any, timeout_ms: int | None, seconds: int
) -> None:
    def waiter(task: Any) -> Generator[int, int, None]:
        yield task.recv(timeout_ms)

    rig.add("waiter", waiter)
    row = row_of(rig, telling)
    assert row[8] == seconds
    assert row[:5] == (1, RECEIVING, 3, 3, 0)


def test_row_of_one_that_has_ended_says_that_it_closes(rig: Rig, telling: Any) -> None:
    def slow(task: Any) -> Generator[int, int, None]:
        try:
            yield task.recv()
        finally:
            yield task.recv()

    def script(task: Any, kernel: int) -> Generator[int, int, int]:
        yield task.stop(kernel, 1, EXCEPTION)
        yield task.inspect(kernel, 1)
        state: int = telling.state_of(task.arg)
        return state

    rig.add("slow", slow, priority=6)
    assert asked(rig, script) == CLOSING


def test_capabilities_are_told_by_task_and_right(rig: Rig, telling: Any) -> None:
    def script(task: Any, kernel: int) -> Generator[int, int, bytes]:
        packed: bytes = yield from telling.capabilities(task, kernel, 2, 3)
        return packed

    rig.add("echo", echo)
    rig.add("other", idle, uses="kernel:control echo:call", lines=("edge",), slots=1)
    packed = asked(rig, script)
    size = struct.calcsize(CAPABILITY_FORMAT)
    found = [struct.unpack_from(CAPABILITY_FORMAT, packed, at) for at in range(0, 4 * size, size)]
    assert [one[:2] for one in found] == [
        (0, MAY_CONTROL),
        (1, MAY_CALL),
        (NO_TASK, MAY_ACKNOWLEDGE),
        (0, 0),
    ]
    assert len(packed) == 4 * size


def test_newest_fault_of_a_task_is_told(rig: Rig, telling: Any) -> None:
    def failing(error: Exception) -> Any:
        def main(task: Any) -> Generator[int, int, None]:
            yield task.sleep(1)
            raise error

        return main

    def script(task: Any, kernel: int) -> Generator[int, int, list[bytes | None]]:
        yield task.read_fault(kernel)
        return [telling.fault(task.arg, number) for number in range(FAULTS_KEPT + 3)]

    for number in range(FAULTS_KEPT + 1):
        rig.add(f"bad{number}", failing(ValueError(number)))
    found = asked(rig, script)
    assert [one is not None for one in found] == [False, False] + [True] * FAULTS_KEPT + [False]
    assert struct.unpack(FAULT_FORMAT, found[2])[:2] == (2, EXCEPTION)


def test_end_of_the_last_run_is_told_in_words(rig: Rig, telling: Any) -> None:
    def script(task: Any, kernel: int) -> Generator[int, int, tuple[bytes | None, bytes]]:
        yield task.read_fault(kernel)
        return telling.fault(task.arg, 0), telling.crash_piece(task.arg, 3, rig.rows)

    rig.port.crash = lambda: (1, KILLS_CAUGHT, 2, 0, 0, 0, 1, 5)
    rig.add("echo", echo)
    record, text = asked(rig, script)
    assert struct.unpack(FAULT_FORMAT, record) == (1, KILLS_CAUGHT, 2, 0, 0, 0, 1, 5)
    assert text == b"o caught every kill"


def traced(rig: Rig, telling: Any, *positions: int) -> list[tuple[int, list[tuple[int, ...]]]]:
    """Return what is told of the trace from each position: the first one's number, and all."""

    def script(task: Any, kernel: int) -> Generator[int, int, list[bytes]]:
        found = []
        for position in positions:
            found.append((yield from telling.trace(task, kernel, position)))
        return found

    pieces = asked(rig, script, 300)
    return [
        (struct.unpack_from("<I", piece)[0], list(struct.iter_unpack("<II", piece[4:])))
        for piece in pieces
    ]


def calling(calls: int) -> Any:
    def main(task: Any) -> Generator[int, int, None]:
        for number in range(calls):
            yield task.call(task.cap("echo"), 5, number)
        yield task.recv()

    return main


def events(records: list[tuple[int, ...]]) -> list[tuple[int, int, int]]:
    return [(what >> 20 & 15, what >> 13 & 127, what & 0x1FFF) for _, what in records]


def test_trace_is_told_from_its_first_record(rig: Rig, telling: Any) -> None:
    rig.add("echo", echo)
    rig.add("client", calling(3), uses="echo:call")
    [(position, records)] = traced(rig, telling, 0)
    found = events(records)
    assert position == 1
    assert found[0] == (EVENT_ENTERED, 0, 0) or found[0][0] != EVENT_STEP
    call = found.index((EVENT_STEP, 2, CALL | 5))
    assert found[call + 1][:2] == (EVENT_STEP, 1)
    assert found[call + 1][2] & 0x1F00 == REPLY_RECV


def test_trace_is_told_from_any_position_on(rig: Rig, telling: Any) -> None:
    rig.add("echo", echo)
    rig.add("client", calling(9), uses="echo:call")
    (_, whole), (position, rest) = traced(rig, telling, 0, 5)
    assert position == 5
    assert rest[: len(whole) - 4] == whole[4:][: len(rest)]


def test_trace_that_was_lost_is_skipped_and_no_record_is_older(rig: Rig, telling: Any) -> None:
    rig.add("echo", echo)
    rig.add("client", calling(2 * TRACE_RECORDS), uses="echo:call")
    (first, records), (second, more) = traced(rig, telling, 0, 4 * TRACE_RECORDS - 40)
    assert first > 3 * TRACE_RECORDS
    assert len(records) == len(more) == 31
    times = [at for at, _ in records]
    assert times == sorted(times)
    assert second == 4 * TRACE_RECORDS - 40
    shift = second - first
    assert 0 < shift < 31
    assert records[shift:] == more[: 31 - shift]


def test_trace_is_read_on_where_its_positions_come_round(telling: Any) -> None:
    ring = array("I", range(2 * TRACE_RECORDS)).tobytes()
    end = 5
    data = telling.piece(ring, end, end + 2, TIME_MASK - 2)
    assert struct.unpack_from("<I", data)[0] == TIME_MASK - 2
    numbers = [at // 2 for at, _ in struct.iter_unpack("<II", data[4:])]
    assert numbers == [61, 62, 63, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(("end", "after"), [(10, 10), (10, 12)])
def test_trace_from_its_end_on_is_nothing_yet(telling: Any, end: int, after: int) -> None:
    ring = bytes(8 * TRACE_RECORDS)
    for position in range(end, after + 1):
        assert telling.piece(ring, end, after, position) == struct.pack("<I", position)


def test_record_overwritten_as_the_ring_was_read_is_not_told(telling: Any) -> None:
    ring = bytes(8 * TRACE_RECORDS)
    end, after = 1000, 1005
    position = struct.unpack_from("<I", telling.piece(ring, end, after, 1))[0]
    assert position == after - TRACE_RECORDS + 1
