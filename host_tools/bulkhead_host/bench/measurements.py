"""What is measured: the one table of measurements, figures, targets and goals.

To add a figure to a program that runs on the board, have it print `name=value` and add a row
here; to add a program, write `firmware/bench/NAME.py` and add a measurement. One that needs the
host, or no board at all, names its function. Times are microseconds or milliseconds of the device,
see each module's docstring for what lies between start and stop.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bulkhead_host.bench import (
    boot,
    brokered,
    emergency,
    idle,
    interrupts,
    monitored,
    network,
    outputs,
    serial,
    sizes,
    stored,
    traced,
    updated,
)
from bulkhead_host.bench.board import bench_board, run_program
from bulkhead_host.bench.figures import Figure, Values
from bulkhead_host.bench.images import Images


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Measures some figures together: `function`, or the program `firmware/bench/NAME.py`."""

    name: str
    figures: tuple[Figure, ...] = ()
    function: Callable[[Images], Values] | None = None

    def measure(self, images: Images) -> Values:
        """Return the values by name. Raises what went wrong on the way."""
        if self.function is not None:
            return self.function(images)
        with bench_board(images) as board:
            return run_program(board, self.name)


def _times_two_switches(values: Values) -> float:
    return values["call_reply_us"] / (2 * values["generator_switch_us"])


def _times_slice_and_call(values: Values) -> float:
    return values["lease_copy_us"] / (values["slice_copy_us"] + values["call_reply_us"])


def _grown_percent(values: Values) -> float:
    return 100 * (values["call_reply_64_tasks_us"] / values["call_reply_us"] - 1)


_UNPREEMPTED = ("bytecode", "sleep", "flash_write", "bytes", "collection", "sorted", "native")

# The longest first, so that parallel runs end together.
MEASUREMENTS = (
    Measurement(
        name="kills",
        figures=(
            Figure(name="hog_kill_over_budget_ms", unit="ms", target=2, goal=1.2),
            Figure(name="hog_kill_main_level_ms", unit="ms", goal=1.2),
            Figure(name="hog_kill_interrupt_level_ms", unit="ms", goal=1.2),
            Figure(name="hog_kill_median_ms", unit="ms"),
        ),
    ),
    Measurement(
        name="restarts",
        figures=(
            Figure(name="restart_ms_p50", unit="ms", goal=2),
            Figure(name="restart_ms_p99", unit="ms", goal=10),
            Figure(name="restart_1_pin_ms_p50", unit="ms"),
            Figure(name="restart_8_pins_ms_p50", unit="ms"),
        ),
    ),
    Measurement(
        name="calls",
        figures=(
            Figure(name="call_reply_us", unit="us", target=120, goal=60),
            Figure(name="call_reply_bytes", unit="bytes", target=0, goal=0),
            Figure(name="call_reply_8_tasks_us", unit="us"),
            Figure(name="call_reply_64_tasks_us", unit="us"),
            Figure(name="call_reply_driven_us", unit="us"),
            Figure(name="call_reply_raised_us", unit="us"),
            Figure(name="await_extra_us", unit="us"),
            Figure(name="await_bytes", unit="bytes", goal=0),
        ),
    ),
    Measurement(
        name="fairness",
        figures=(
            Figure(name="fairness_median_ms", unit="ms", target=12, goal=10.5),
            Figure(name="fairness_max_ms", unit="ms", goal=12),
        ),
    ),
    Measurement(name="peers.asyncio_fairness"),
    Measurement(name="peers.asyncio_rpc"),
    Measurement(
        name="interrupts",
        figures=(
            Figure(name="irq_to_driver_us_p50", unit="us", goal=90),
            Figure(name="irq_to_driver_us_p99", unit="us", target=300, goal=150),
        ),
        function=interrupts.measure,
    ),
    Measurement(
        name="idle_interrupts",
        figures=(
            Figure(name="irq_to_driver_idle_us_p50", unit="us", goal=90),
            Figure(name="irq_to_driver_idle_us_p99", unit="us", target=300, goal=90),
        ),
        function=interrupts.measure_idle,
    ),
    Measurement(
        name="hard_interrupts",
        figures=(
            Figure(name="hard_irq_us_p99", unit="us", target=30, goal=25),
            Figure(name="hard_irq_us_max", unit="us", target=40, goal=40),
        ),
        function=interrupts.measure_hard,
    ),
    Measurement(
        name="emergency_stop",
        figures=(
            Figure(name="emergency_stop_us_p99", unit="us", goal=30),
            Figure(name="emergency_stop_us_max", unit="us"),
        ),
        function=emergency.measure,
    ),
    Measurement(
        name="outputs",
        figures=(
            Figure(name="fault_to_safe_us_p99", unit="us", target=150, goal=100),
            Figure(name="kill_to_safe_us_p99", unit="us", target=1_300, goal=1_100),
            Figure(name="safe_stores_us", unit="us", target=10, goal=10),
        ),
        function=outputs.measure,
    ),
    Measurement(
        name="boot",
        figures=(Figure(name="boot_ms", unit="ms", goal=250),),
        function=boot.measure,
    ),
    Measurement(
        name="idle",
        figures=(
            Figure(name="supervisor_idle_percent", unit="%", goal=0.5),
            Figure(name="services_idle_percent", unit="%"),
            Figure(name="board_idle_percent", unit="%"),
        ),
        function=idle.measure,
    ),
    Measurement(
        name="sends",
        figures=(
            Figure(name="send_recv_us", unit="us", goal=60),
            Figure(name="send_recv_bytes", unit="bytes", goal=0),
        ),
    ),
    Measurement(
        name="leases",
        figures=(
            Figure(name="lease_copy_us", unit="us"),
            Figure(name="lease_copy_bytes", unit="bytes", goal=0),
            Figure(name="slice_copy_us", unit="us"),
        ),
    ),
    Measurement(
        name="switches",
        figures=(
            Figure(name="function_call_us", unit="us"),
            Figure(name="generator_switch_us", unit="us"),
        ),
    ),
    Measurement(
        name="unpreempted",
        figures=tuple(Figure(name=f"late_during_{what}_ms", unit="ms") for what in _UNPREEMPTED),
    ),
    Measurement(name="tick", figures=(Figure(name="tick_overhead_percent", unit="%", goal=3),)),
    Measurement(
        name="monitored",
        figures=(Figure(name="monitor_overhead_percent", unit="%", target=2, goal=2),),
        function=monitored.measure,
    ),
    Measurement(
        name="updated",
        figures=(
            Figure(name="update_gap_ms", unit="ms", target=5, goal=5),
            Figure(name="update_stall_ms", unit="ms"),
            Figure(name="update_lost_messages", unit="messages", target=0, goal=0),
            Figure(name="save_to_running_ms", unit="ms", target=500, goal=500),
        ),
        function=updated.measure,
    ),
    Measurement(
        name="traced",
        figures=(Figure(name="trace_overhead_percent", unit="%", goal=10),),
        function=traced.measure,
    ),
    Measurement(
        name="stored",
        figures=(
            Figure(name="store_put_ms", unit="ms"),
            Figure(name="store_save_ms", unit="ms"),
        ),
        function=stored.measure,
    ),
    Measurement(
        name="serial",
        figures=(Figure(name="uart_rx_loss", unit="bytes", goal=0),),
        function=serial.measure,
    ),
    Measurement(name="entries", figures=(Figure(name="irq_entry_bytes", unit="bytes", goal=0),)),
    Measurement(
        name="memory",
        figures=(
            Figure(name="kernel_ram_bytes", unit="bytes", goal=10_240),
            Figure(name="kernel_ram_library_bytes", unit="bytes"),
            Figure(name="kernel_ram_code_bytes", unit="bytes"),
            Figure(name="kernel_ram_state_bytes", unit="bytes"),
            Figure(name="task_ram_bytes", unit="bytes", goal=512),
        ),
    ),
    Measurement(
        name="sizes",
        figures=(
            Figure(name="kernel_flash_bytes", unit="bytes", goal=32_768),
            Figure(name="kernel_flash_native_bytes", unit="bytes"),
            Figure(name="kernel_flash_bytecode_bytes", unit="bytes"),
            Figure(name="kernel_code_lines", unit="lines", goal=1_000),
        ),
        function=sizes.measure,
    ),
)

# Measured by name alone: another board's image takes a minute to compile.
APART = (
    Measurement(
        name="network",
        figures=(
            Figure(name="network_static_bytes", unit="bytes"),
            Figure(name="net_heap_bytes", unit="bytes"),
            Figure(name="ppp_heap_bytes", unit="bytes"),
            Figure(name="mqtt_heap_bytes", unit="bytes"),
            Figure(name="mqtt_publish_ms", unit="ms"),
        ),
        function=network.measure,
    ),
    Measurement(
        name="brokered",
        figures=(Figure(name="broker_call_ms", unit="ms"),),
        function=brokered.measure,
    ),
)

# Computed from the values of several measurements.
DERIVED = (
    Figure(
        name="call_reply_per_two_switches",
        unit="times",
        goal=2.5,
        derive=_times_two_switches,
    ),
    Figure(
        name="lease_copy_per_slice_and_call",
        unit="times",
        goal=1.5,
        derive=_times_slice_and_call,
    ),
    Figure(name="call_reply_64_tasks_percent", unit="%", goal=3, derive=_grown_percent),
)
