"""Each failure that crasher commits on request: its client gets a code, and it comes back."""

from pathlib import Path

import pytest

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard

TIMEOUT, DEAD, OK = 192, 193, 0
HANGS_MS = 400  # `stuck` has hung for 100 ms by then, and the watchdog ends that after 300
HARD_FAULT = 3  # the exception's number (ARMv6-M Architecture Reference Manual, B1.5.2)
APPLICATION = Path(__file__).parents[1] / "cases" / "crash_app"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the application to its end and return what the board wrote."""
    image = tmp_path_factory.mktemp("image") / "crash.uf2"
    build(BuildOptions(application=APPLICATION, output=image))
    with EmulatedBoard(image=image) as board:
        return board.run_until(b"all done", timeout_ms=40_000).decode()


@pytest.mark.parametrize(
    ("failure", "status", "faults"),
    [
        ("raise", DEAD, ("EXCEPTION",)),
        ("spin", DEAD, ("BUDGET",)),
        ("sleep", TIMEOUT, ("HEARTBEAT",)),
        ("leak", DEAD, ("MEMORY",)),
        ("never_reply", TIMEOUT, ()),
    ],
)
def test_failure(output: str, failure: str, status: int, faults: tuple[str, ...]) -> None:
    lines = output.splitlines()
    end = next(i for i, line in enumerate(lines) if f" {failure}: " in line)
    assert f"{failure}: status {status}, then {OK} 7" in lines[end]
    before = [i for i, line in enumerate(lines[:end]) if "status" in line]
    since = lines[before[-1] if before else 0 : end]
    seen = [line for line in since if "crasher faulted" in line]
    assert bool(seen) == bool(faults)
    assert all(any(f": {fault}," in line for fault in faults) for line in seen)


def test_nobody_else_faulted(output: str) -> None:
    faulted = {line.split(": ")[1].split()[0] for line in output.splitlines() if "faulted" in line}
    assert faulted == {"crasher"}


def test_service_that_cannot_be_killed_resets_the_board_and_is_named(tmp_path: Path) -> None:
    image = tmp_path / "stubborn.uf2"
    build(BuildOptions(application=APPLICATION.parent / "stubborn_app", output=image))
    with EmulatedBoard(image=image) as board:
        said = board.run_until(b"caught every kill", timeout_ms=2000)
        assert b"the board was reset: stubborn" in said


def test_service_that_only_the_watchdog_ends_is_named_at_the_next_boot(tmp_path: Path) -> None:
    image = tmp_path / "watchdog.uf2"
    build(BuildOptions(application=APPLICATION.parent / "watchdog_app", output=image))
    with EmulatedBoard(image=image) as board:
        said = board.run_until(b"when the watchdog fired", timeout_ms=3000)
        assert b"the board was reset: stuck ran when the watchdog fired" in said


def test_a_fault_of_the_processor_resets_the_board_at_once_and_who_ran_is_named(
    tmp_path: Path,
) -> None:
    image = tmp_path / "watchdog.uf2"
    build(BuildOptions(application=APPLICATION.parent / "watchdog_app", output=image))
    with EmulatedBoard(image=image) as board:
        board.run_for(ms=HANGS_MS)
        resets = board.chip.reset_count
        board.chip.mcu.core.exception_entry(HARD_FAULT)
        board.run_for(ms=0.01)
        assert board.chip.reset_count == resets + 1
        said = board.run_until(b"made the processor fault", timeout_ms=3000)
        assert b"the board was reset: stuck made the processor fault" in said
