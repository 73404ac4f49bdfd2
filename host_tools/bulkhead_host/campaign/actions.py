"""Commits a fault: by the kernel, over the link, or around the emulated board's chip."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bulkhead_host.campaign.kinds import KILL_IN_UPDATE
from bulkhead_host.campaign.noise import noise
from bulkhead_host.campaign.plan import Planned
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.updater import KILL_S_MAX, kill_in_update
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import Application, Service

STORM_PULSES = 1000
STORM_MS = 250
JUMP_MS = 5000  # or half of what the hardware's watchdog gives, should that be less
PRESS_MS = 50
SETTLE_S = 0.1
PROBATION_MS = 200

_NO_OPERATION = 191  # the last that an api could have: of those that ship none is so long


@dataclass(kw_only=True)
class Bench:
    """A board under test: who asks it, what it runs, and the emulated one, if it is that."""

    client: Client
    application: Application
    description: Board
    emulated: EmulatedBoard | None = None

    def service(self, name: str) -> Service | None:
        """Return what the application says of a service, None where it has none of that name."""
        return next((one for one in self.application.services if one.name == name), None)

    def pin_of(self, target: str) -> int:
        """Return the GPIO of the first pin line of a service."""
        for service in self.application.services:
            for line in service.lines:
                place = self.description.place(line.pin) if service.name == target else None
                if isinstance(place, int):
                    return place
        raise BulkheadError(f"{target} has no line of a pin")

    def chip_of(self) -> EmulatedBoard:
        """Return the emulated board; raise `BulkheadError` for a real one."""
        if self.emulated is None:
            raise BulkheadError("this takes an emulated board", "run the campaign without --port")
        return self.emulated


def act(bench: Bench, fault: Planned) -> None:
    """Commit a fault. An answer that is lost, or wrong, is no matter: its effects tell."""
    if bench.emulated is None and fault.kind in _BY_THE_BOARD:
        _BY_THE_BOARD[fault.kind](bench, fault)
    elif fault.kind in _OTHERS:
        _OTHERS[fault.kind](bench, fault)
    else:
        # The target may be what answers, and the supervisor's next reply is that to the order.
        lost = (DeviceTimeout, NoSuchTarget) if fault.target == "supervisor" else (DeviceTimeout,)
        with suppress(*lost):
            bench.client.inject(fault.target, fault.kind)


def _kill_in_update(bench: Bench, fault: Planned) -> None:
    drawn = random.Random(f"update:{fault.index}:{fault.pause_ms}")
    after_s = drawn.uniform(-KILL_S_MAX, KILL_S_MAX)
    if fault.target == "console":  # which takes no order while it is down
        after_s = abs(after_s)
    kill_in_update(bench.client, fault.target, after_s=after_s, probation_ms=PROBATION_MS)


def press(bench: Bench, target: str) -> None:
    """Push the button on a service's pin."""
    bench.chip_of().pin(bench.pin_of(target)).press(ms=PRESS_MS)


def rouse(bench: Bench, target: str) -> None:
    """Have the console call a service that may wait for nothing else, so that it steps."""
    with suppress(DeviceTimeout, NoSuchTarget):
        bench.client.call(target, _NO_OPERATION)


def _make_noise(bench: Bench, fault: Planned) -> None:
    drawn = random.Random(f"noise:{fault.index}:{fault.pause_ms}")
    bench.client.transport.write(noise(drawn))


def _crash(bench: Bench, fault: Planned) -> None:
    with suppress(DeviceTimeout):
        bench.client.inject(fault.target, "crash")


def _stall(bench: Bench, _fault: Planned) -> None:
    bench.client.listen(SETTLE_S)  # what runs meanwhile would overrun its budget
    watchdog = bench.application.watchdog
    is_product = watchdog is not None and not watchdog.is_development
    jump_ms = min(JUMP_MS, watchdog.timeout_ms // 2) if watchdog and is_product else JUMP_MS
    bench.chip_of().chip.stall(jump_ms * 1_000_000)


def _cut_power(bench: Bench, _fault: Planned) -> None:
    bench.chip_of().stop()
    bench.chip_of().start()


def _storm(bench: Bench, fault: Planned) -> None:
    board = bench.chip_of()
    pin = board.pin(bench.pin_of(fault.target))
    half_cycles = STORM_MS * 1_000_000 // STORM_PULSES // CYCLE_NS // 2
    for edge in range(STORM_PULSES):
        at = board.cycles + 2 * edge * half_cycles
        pin.drive_at(0, cycle=at)
        pin.drive_at(1, cycle=at + half_cycles)
    pin.drive_at(None, cycle=board.cycles + 2 * STORM_PULSES * half_cycles)
    bench.client.listen(STORM_MS / 1000)


def _lose_interrupt(bench: Bench, fault: Planned) -> None:
    pin = bench.chip_of().pin(bench.pin_of(fault.target))
    pin.drive(0)
    pin.lose_edge()
    bench.client.listen(PRESS_MS / 1000)
    pin.release()
    pin.lose_edge()
    bench.client.listen(PRESS_MS / 1000)


_OTHERS: dict[str, Callable[[Bench, Planned], None]] = {
    KILL_IN_UPDATE: _kill_in_update,
    "supervisor-kill": _crash,
    "watchdog-starvation": lambda bench, fault: bench.client.inject(fault.target, "hang"),
    "link-noise": _make_noise,
    "interrupt-storm": _storm,
    "lost-interrupt": _lose_interrupt,
    "clock-jump": _stall,
    "reset": lambda bench, _: bench.chip_of().reset(),
    "power-cut": _cut_power,
}
# What the emulated board has its chip do, and any other does by itself.
_BY_THE_BOARD: dict[str, Callable[[Bench, Planned], None]] = {
    "clock-jump": lambda bench, fault: bench.client.inject("console", fault.kind),
    "interrupt-storm": lambda bench, fault: bench.client.inject(fault.target, fault.kind),
    "reset": lambda bench, _: bench.client.reset(),
}
