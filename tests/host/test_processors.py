"""The processors that QEMU emulates: how they are started, and what they stand for."""

import ast
from pathlib import Path

import pytest

from bulkhead_host.image.qemu import INSTRUCTION_NS, PROCESSORS
from bulkhead_host.qualify import counts
from bulkhead_host.qualify.processors import PROGRAMS, frozen_files
from bulkhead_host.system.boards import board_named
from bulkhead_host.system.imports import GENERATED, imports


def test_an_instruction_takes_the_time_that_counts_are_made_of() -> None:
    for processor in PROCESSORS.values():
        command = processor.command(Path("firmware.elf"))
        counted = command[command.index("-icount") + 1]
        shift = int(counted.partition(",")[0].removeprefix("shift="))
        assert 1 << shift == INSTRUCTION_NS


def test_a_pico_2_has_the_code_that_runs_on_a_cortex_m3() -> None:
    """Of wide branches as mpy-cross 1.26 encodes them for Armv7-M the cases make a HardFault."""
    assert board_named("pico2").architecture == PROCESSORS["cortex-m3"].architecture


def test_a_processor_that_there_is_not_exits_2_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        counts.main(["pdp11"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no processor pdp11" in said
    assert "cortex-m3" in said.partition("try: ")[2]


def test_benchmarks_that_count_have_what_they_import() -> None:
    files = {path: source for path, source in frozen_files().items() if path.startswith("bench/")}
    assert {f"bench/{name}.py" for name in PROGRAMS} <= files.keys()
    for source in files.values():
        for one in imports(ast.parse(source)):
            package, _, rest = one.name.partition(".")
            assert package not in GENERATED  # there is no system, and no board
            assert package != "bench" or f"bench/{rest.partition('.')[0]}.py" in files
