"""The emulator's compiled core: where it comes from, and that it computes the same."""

import os
import subprocess
import sys
from pathlib import Path


def run_python(
    program: str, *, cache: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter with its own cache."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "BULKHEAD_CACHE": str(cache), **environment},
    )


DESCRIBE = (
    "from bulkhead_host.emulator import native_core\n"
    "import rp2040py.simulator\nprint(native_core.description())"
)


def test_without_a_compiler_the_wheels_core_serves(tmp_path: Path) -> None:
    done = run_python(DESCRIBE, cache=tmp_path, PATH="/nonexistent")
    assert done.stdout == "wheel\n"
    assert done.stderr == ""


def test_the_compiled_core_can_be_switched_off(tmp_path: Path) -> None:
    done = run_python(DESCRIBE, cache=tmp_path, BULKHEAD_EMULATOR_CORE="wheel")
    assert (done.stdout, done.stderr) == ("wheel\n", "")
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_costs_no_more_than_speed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_python(DESCRIBE, cache=tmp_path / "file")
    assert (done.stdout, done.stderr) == ("wheel\n", "")


def test_a_compiler_that_fails_is_reported_once_and_the_wheel_serves(tmp_path: Path) -> None:
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho no room left >&2\nexit 1\n")
    compiler.chmod(0o755)
    cache = tmp_path / "cache"
    first = run_python(DESCRIBE, cache=cache, PATH=f"{compiler.parent}:/usr/bin:/bin")
    assert first.stdout == "wheel\n"
    assert "that failed, see" in first.stderr
    assert "no room left" in next(cache.rglob("failed.log")).read_text()
    second = run_python(DESCRIBE, cache=cache, PATH=f"{compiler.parent}:/usr/bin:/bin")
    assert (second.stdout, second.stderr) == ("wheel\n", "")


def test_both_cores_give_the_same_result_to_the_cycle(tmp_path: Path) -> None:
    """A program of a few instructions of each kind runs as long on one as on the other."""
    program = (
        "import struct\n"
        "from bulkhead_host.emulator.chip import Chip, ResetCause\n"
        "from bulkhead_host.emulator import native_core, chip as module\n"
        "module.can_boot = lambda flash: True\n"
        "chip = Chip()\n"
        # movs r0,#0; ldr r1,=SRAM; loop: adds r0,#1; str r0,[r1]; ldr r2,[r1]; muls r2,r0;
        # lsls r3,r2,#3; push {r2}; pop {r2}; b loop
        "code = struct.pack('<2H', 0x2000, 0x4904)\n"
        "code += struct.pack('<4H', 0x3001, 0x6008, 0x680A, 0x4342)\n"
        "code += struct.pack('<4H', 0x00D3, 0xB404, 0xBC04, 0xE7F7)\n"
        "code += struct.pack('<I', 0x20000100)\n"
        "chip.flash[:len(code)] = code\n"
        "chip.reset(ResetCause.POWER_ON)\n"
        "chip.advance(2_000_000)\n"
        "core = chip.mcu.core\n"
        "print(core.pc, list(core.registers[:4]), chip.nanos)\n"
        "print(native_core.description())"
    )
    wheel = run_python(program, cache=tmp_path, BULKHEAD_EMULATOR_CORE="wheel").stdout.split("\n")
    here = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert wheel[1] == "wheel"
    assert here[0] == wheel[0]
    assert "0, 0, 0, 0" not in wheel[0]
