"""The emergency stop of the example `motor`: from the mushroom's edge to the fall of the power.

The edges come at every phase of what the board does meanwhile: the planner computes, sorts,
allocates and collects garbage, the host reads the services, and makes the planner crash, spin and
hang in turn.
"""

from bulkhead_host.bench.board import percentile
from bulkhead_host.bench.images import BOARD, Images, built
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.application import system_files
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.paths import source_root

STOPS = 300

_MUSHROOM, _KEY, _POWER = 15, 14, 16
_FAULTS = ("crash", "spin", "hang")
_LOOKS_A_FAULT = 5
_WAITING = ("sleeping", "ready", "calling", "receiving")
_CYCLES_IN_US = 1000 // CYCLE_NS
_BOOT_MS = 300
_FIRST_CYCLES = 2_000 * _CYCLES_IN_US
# Not a divisor of the tick's 1 ms, nor has it one with that: no two edges have the same phase.
_APART_CYCLES = 5_193 * _CYCLES_IN_US - 1
_STOP_CYCLES = 2_000 * _CYCLES_IN_US
_HELD_CYCLES = 600 * _CYCLES_IN_US


def measure(_images: Images) -> dict[str, float]:
    """Return the worst times from the edge to the fall."""
    latencies = _latencies_us()
    return {
        "emergency_stop_us_p99": percentile(latencies, 99),
        "emergency_stop_us_max": max(latencies),
    }


def _latencies_us() -> list[float]:
    """Turn the key and strike the mushroom STOPS times; return how long each stop took."""
    files = system_files(source_root() / "services" / "examples" / "motor", board=BOARD)
    with EmulatedBoard(image=built(files).path, seed=0) as board:
        client = Client(BoardTransport(board))
        mushroom, key, power = (board.pin(number) for number in (_MUSHROOM, _KEY, _POWER))
        mushroom.drive(1)
        key.drive(1)
        client.hello()
        board.run_for(ms=_BOOT_MS)
        mushroom.clear_edges()
        for number in range(STOPS):
            cycle = board.cycles + _FIRST_CYCLES + number * _APART_CYCLES
            for pin, at in ((key, cycle), (mushroom, cycle + _STOP_CYCLES)):
                pin.drive_at(0, cycle=at)
                pin.drive_at(1, cycle=at + _HELD_CYCLES)
        end = board.cycles + _FIRST_CYCLES + STOPS * _APART_CYCLES
        looks = faults = 0
        while board.cycles < end:
            planner = client.table().named("planner")
            looks += 1
            # One that waits to be started again cannot fail.
            if looks > _LOOKS_A_FAULT and planner is not None and planner.state in _WAITING:
                client.inject("planner", _FAULTS[faults % len(_FAULTS)])
                faults += 1
                looks = 0
        struck = [edge.cycle for edge in mushroom.edges if not edge.level]
        fallen = [edge.cycle for edge in power.edges if not edge.level]
    if len(struck) != STOPS or len(fallen) != STOPS:
        raise BulkheadError(f"the power fell {len(fallen)} times in {len(struck)} stops")
    return [(after - before) / _CYCLES_IN_US for before, after in zip(struck, fallen, strict=True)]
