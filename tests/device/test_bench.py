"""The benchmarks: one whole run for all tests here, judged by the device's clock alone."""

import json
import re
from typing import Any

import pytest

from bulkhead_host.bench.figures import Figure, Result
from bulkhead_host.bench.measurements import MEASUREMENTS, Measurement
from bulkhead_host.bench.report import table, to_json
from bulkhead_host.bench.run import run
from bulkhead_host.paths import source_root

PROMISED = {
    *("call_reply_us", "call_reply_bytes", "call_reply_64_tasks_us", "send_recv_us"),
    *("function_call_us", "generator_switch_us"),
    *("irq_to_driver_us_p50", "irq_to_driver_us_p99", "hog_kill_over_budget_ms"),
    *("fairness_median_ms", "fairness_max_ms", "restart_ms_p50", "restart_ms_p99"),
    *("tick_overhead_percent", "boot_ms", "kernel_ram_bytes", "task_ram_bytes"),
    *("kernel_flash_bytes", "kernel_code_lines", "monitor_overhead_percent"),
    *("fault_to_safe_us_p99", "kill_to_safe_us_p99", "safe_stores_us"),
    *("emergency_stop_us_p99", "update_gap_ms", "update_lost_messages", "save_to_running_ms"),
}
BESIDE_ASYNCIO = {
    *("call_reply_us", "call_reply_bytes", "call_reply_8_tasks_us"),
    *("fairness_median_ms", "fairness_max_ms"),
}
LIMITS = {
    "call_reply_us": 120,
    "call_reply_bytes": 0,
    "irq_to_driver_us_p99": 300,
    "hog_kill_over_budget_ms": 2,
    "fairness_median_ms": 12,
    "fault_to_safe_us_p99": 150,
    "kill_to_safe_us_p99": 1_300,
    "safe_stores_us": 10,
    "monitor_overhead_percent": 2,
    "update_gap_ms": 5,
    "update_lost_messages": 0,
    "save_to_running_ms": 500,
}


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return run()


@pytest.fixture(scope="module")
def objects(results: list[Result]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(to_json(results))}


def test_every_promised_figure_is_measured_with_its_unit(
    objects: dict[str, dict[str, Any]],
) -> None:
    missing = PROMISED - {name for name, one in objects.items() if one["value"] is not None}
    assert not missing
    assert all(one["unit"] for one in objects.values())
    assert {name: one["failure"] for name, one in objects.items() if "failure" in one} == {}


@pytest.mark.parametrize("name", LIMITS)
def test_a_target_is_in_the_file_and_holds(objects: dict[str, dict[str, Any]], name: str) -> None:
    assert objects[name]["target"] == objects[name]["limit"] == LIMITS[name]
    assert objects[name]["value"] <= LIMITS[name]


def test_asyncio_does_the_same_work_slower(objects: dict[str, dict[str, Any]]) -> None:
    for name in BESIDE_ASYNCIO:
        peer = objects[name]["peer"]
        assert peer["name"] == "asyncio"
        assert peer["value"] > objects[name]["value"]


def test_a_second_run_gives_the_same_figures(results: list[Result]) -> None:
    again = {"switches", "interrupts", "tick"}
    repeated = run([one for one in MEASUREMENTS if one.name in again])
    first = {result.figure.name: result.value for result in results}
    assert repeated
    assert all(result.value == first[result.figure.name] for result in repeated)


def test_what_fails_takes_no_other_figure_along() -> None:
    broken = Measurement(name="no_such_program", figures=(Figure(name="nothing", unit="us"),))
    tick = next(one for one in MEASUREMENTS if one.name == "tick")
    nothing, overhead = run([broken, tick])
    assert nothing.value is None
    assert not nothing.holds
    assert "ImportError" in nothing.failure
    assert overhead.holds
    assert f"failed: {nothing.failure}" in table([nothing, overhead])


def test_what_cannot_be_preempted_takes_as_long_as_the_readme_says(
    objects: dict[str, dict[str, Any]],
) -> None:
    text = (source_root() / "firmware" / "README.md").read_text()
    said = {
        name: float(ms) for name, ms in re.findall(r"`(late_during_\w+_ms)` \| ([\d.]+) \|", text)
    }
    assert said.keys() == {name for name in objects if name.startswith("late_during_")}
    for name, worst_ms in said.items():
        assert 0.5 * worst_ms <= objects[name]["value"] <= 1.2 * worst_ms, name
