"""The invariant `outputs_safe`: what a service drives is safe from its fault until it runs again.

The trace says when a service was faulted and when it was started anew, an emulated board's pins
when their levels have changed: between the two every pin is at its safe level, to the microsecond.
A service that a table calls down, or its outputs held, is looked at too, as one is that fell with
another. A real board's pins are not seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bulkhead_host import abi
from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.watch import Watch
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.emulator.pins import EDGES_MAX
from bulkhead_host.link.services import Service, Table
from bulkhead_host.link.trace import Record
from bulkhead_host.system.outputs import safe_states

_TIMERAWL = 0x40054028  # low word of the microsecond timer, RP2040 datasheet 4.6.4
_CYCLES_IN_US = 1000 // CYCLE_NS
_LEVELS = {"low": 0, "high": 1}
_HALF = abi.CPU_US_MODULUS // 2
_DOWN = ("dormant", "faulted", "held", "degraded", "ended")


@dataclass(frozen=True)
class _Down:
    """A service between its fault and its next start, in microseconds of the board's timer."""

    name: str
    from_us: int
    to_us: int


class Outputs:
    """The pins of an emulated board whose safe state is a level."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._safe = {
            service.name: {
                gpio: _LEVELS[state]
                for gpio, state in safe_states(service, bench.description).items()
                if state in _LEVELS
            }
            for service in bench.application.services
        }
        self._before: dict[int, int] = {}

    def begin(self) -> None:
        """Watch the pins from now on."""
        if self._bench.emulated is None:
            return
        for gpio in {gpio for pins in self._safe.values() for gpio in pins}:
            pin = self._bench.emulated.pin(gpio)
            pin.clear_edges()
            self._before[gpio] = pin.level

    def violations(self, watch: Watch, names: Sequence[str], table: Table) -> Iterator[str]:
        """Yield what was not safe since `begin`.

        `names` are the services in start order, `table` is how they were since then.
        """
        board = self._bench.emulated
        if board is None or not self._before:
            return
        watch.look()
        offset_us = board.chip.mcu.read_uint32(_TIMERAWL) - board.cycles // _CYCLES_IN_US
        for down in _downs(watch, names):
            for gpio, level in self._safe.get(down.name, {}).items():
                wrong_us = self._wrong(board, gpio, level, down, offset_us)
                if wrong_us is not None:
                    after = f"{wrong_us / 1000:.3f} ms after {down.name} was faulted"
                    yield f"GPIO {gpio} was not {'high' if level else 'low'}, {after}"
        yield from self._at_rest(board, table)

    def _wrong(
        self, board: EmulatedBoard, gpio: int, safe: int, down: _Down, offset_us: int
    ) -> int | None:
        """Return how long after a fault a pin was not at its safe level, None if it always was."""
        edges = board.pin(gpio).edges
        level = self._before[gpio] if len(edges) < EDGES_MAX else safe
        after: list[tuple[int, int]] = []
        for edge in edges:
            at_us = edge.cycle // _CYCLES_IN_US + offset_us - down.from_us
            at_us = (at_us + _HALF) % abi.CPU_US_MODULUS - _HALF
            if at_us <= 1:  # the stores come before the fault's record
                level = edge.level
            elif at_us < down.to_us - down.from_us:
                after.append((at_us, edge.level))
        if level != safe:
            return 0
        return next((at_us for at_us, level in after if level != safe), None)

    def _at_rest(self, board: EmulatedBoard, table: Table) -> Iterator[str]:
        """Look at who is down, if it was so in a table before the look, and is after it."""
        first = {one.name: one for one in table.services if _is_safe(one)}
        if not any(self._safe.get(name) for name in first):
            return
        levels = {gpio: board.pin(gpio).level for gpio in self._before}
        for service in self._bench.client.table().services:
            old = first.get(service.name)
            if old is None or not _is_safe(service):
                continue
            if (old.generation, old.safe_since_ms) != (service.generation, service.safe_since_ms):
                continue
            for gpio, level in self._safe.get(service.name, {}).items():
                if levels[gpio] != level:
                    yield f"GPIO {gpio} is {levels[gpio]}, and {service.name} is {service.state}"


def _is_safe(service: Service) -> bool:
    return service.state in _DOWN or service.safe_since_ms is not None


def _downs(watch: Watch, names: Sequence[str]) -> Iterator[_Down]:
    """Yield each fault and the start after it of which no record between was lost."""
    begun: dict[int, tuple[int, Record]] = {}
    for index, one in enumerate(watch.records):
        if one.event == abi.EVENT_FAULT and 0 < one.task <= len(names):
            begun[one.task] = index, one
        elif one.event == abi.EVENT_STARTED and one.task in begun:
            first, fault = begun.pop(one.task)
            if one.position - fault.position == index - first:
                base_us = watch.base_us
                yield _Down(names[one.task - 1], base_us + fault.time_us, base_us + one.time_us)
