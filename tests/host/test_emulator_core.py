"""The emulator's compiled core: where it comes from, and that it computes the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bulkhead_host.emulator import native_core


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


def test_a_disk_that_was_full_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_core, "_cython", lambda *_: ["true"])  # it takes 2 s
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'as: /tmp/x.s: No space left on device' >&2\nexit 1\n")
    compiler.chmod(0o755)
    folder = tmp_path / "cache" / "core"
    folder.parent.mkdir()
    source = tmp_path / "rp2040py" / "native" / "x.c"
    native_core._build(compiler=str(compiler), sources=[source], folder=folder)
    assert "that failed: as: /tmp/x.s: No space left on device" in capsys.readouterr().err
    assert list(folder.parent.iterdir()) == []


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


# Where the program below has its data: RAM twice, flash, the boot ROM, USB's RAM, the timer, and
# of the SIO which core this is, the divider and spin locks.
RANDOM_PROGRAMS = """
import hashlib, random, struct
from bulkhead_host.emulator.chip import Chip, ResetCause
from bulkhead_host.emulator import chip as module
module.can_boot = lambda flash: True
BASES = (
    0x20000400, 0x20041C00, 0x10000000, 0x00000000, 0x50100000, 0x40054000, 0xD0000000, 0xD0000050,
    0xD0000100,
)

def program(seed):
    draw = random.Random(seed)
    code = []
    low, any5 = lambda: draw.randrange(4), lambda: draw.randrange(32)
    base = lambda: draw.randrange(4, 8)
    high = lambda: draw.choice((0, 1, 2, 3, 8, 9, 10, 11, 12, 14, 15))
    wide = lambda: draw.choice((
        (0xF3BF, 0x8F40 | draw.randrange(3) << 4),
        (0xF3EF, 0x8000 | low() << 8 | draw.choice((0, 5, 16))),
        (0xF380 | low(), 0x8810),
    ))
    kinds = (
        lambda: 0x6000 | draw.randrange(4) << 11 | any5() << 6 | base() << 3 | low(),
        lambda: 0x8000 | draw.choice((0, 0x800)) | any5() << 6 | base() << 3 | low(),
        lambda: 0x5000 | draw.randrange(8) << 9 | base() << 3 | draw.choice((1, 3)) << 6 | low(),
        lambda: 0x4800 | low() << 8 | any5(),
        lambda: 0x9000 | draw.choice((0, 0x800)) | low() << 8 | any5(),
        lambda: 0xD000 | draw.randrange(14) << 8 | draw.randrange(1, 3),
        lambda: 0x2800 | low() << 8 | draw.randrange(256),
        lambda: 0x3000 | draw.choice((0, 0x800)) | low() << 8 | draw.randrange(256),
        lambda: 0x4280 | low() << 3 | low(),
        lambda: 0xB400 | draw.randrange(16),
        lambda: 0xBC00 | draw.randrange(1, 16),
        lambda: 0x2300 | draw.randrange(64),
        lambda: 0xC000 | draw.choice((0, 0x800)) | draw.choice((4, 5)) << 8 | draw.randrange(16),
        lambda: draw.randrange(3) << 11 | any5() << 6 | low() << 3 | low(),
        lambda: 0x1800 | draw.randrange(4) << 9 | low() << 6 | low() << 3 | low(),
        lambda: 0x4000 | draw.randrange(16) << 6 | low() << 3 | low(),
        lambda: 0x4000 | draw.randrange(16) << 6 | low() << 3 | low(),
        lambda: draw.choice((0x4400, 0x4500, 0x4600)) | high() << 3 | 0x80 | draw.randrange(5),
        lambda: draw.choice((0x4400, 0x4500, 0x4600)) | high() << 3 | low(),
        lambda: draw.choice((0xA000, 0xA800)) | low() << 8 | draw.randrange(256),
        lambda: 0xB000 | draw.randrange(16) | draw.choice((0, 0x80)),
        lambda: 0xB200 | draw.randrange(4) << 6 | low() << 3 | low(),
        lambda: 0xBA00 | draw.choice((0, 1, 3)) << 6 | low() << 3 | low(),
        lambda: draw.choice((0xB672, 0xB662, 0xBF00, 0xBF40)),
        lambda: 0xE000 | draw.randrange(1, 3),
    )
    for _ in range(400):
        code += wide() if draw.random() < 0.04 else (draw.choice(kinds)(),)
    # bl to a push {lr}, pop {pc}; blx r3 to another; then stay here
    code += [0xF000, 0xF804, 0x4B03, 0x4798, 0xE7FE, 0x46C0, 0xB50F, 0xBD0F, 0xBE00]
    at = len(code)
    code[at - 7] = 0x4B00 | (-(-(at * 2) // 4) * 4 - (((at - 7) * 2 + 4) & ~3)) // 4
    if at % 2:
        code.append(0)
    return struct.pack(f"<{len(code)}HI", *code, 0x10000000 + (at - 3) * 2 | 1)

for seed in range(24):
    chip = Chip()
    code = program(seed)
    chip.flash[:len(code)] = code
    chip.reset(ResetCause.POWER_ON)
    core = chip.mcu.core
    draw = random.Random(seed)
    for register in range(4):
        core.registers[register] = draw.randrange(1 << 32)
    for register in range(4, 8):
        core.registers[register] = draw.choice(BASES[:2] if register < 6 else BASES)
    core.registers[13] = 0x20020000
    try:
        chip.advance(2_000_000)
    except Exception as error:
        print(type(error).__name__)
    flags = core.n, core.z, core.c, core.v
    ram = hashlib.sha256(chip.mcu.sram).hexdigest()
    print(core.pc, list(core.registers), flags, core.cycles, chip.nanos, ram)
"""


def test_both_cores_give_the_same_for_programs_drawn_at_random(tmp_path: Path) -> None:
    wheel = run_python(RANDOM_PROGRAMS, cache=tmp_path, BULKHEAD_EMULATOR_CORE="wheel").stdout
    here = subprocess.run(
        [sys.executable, "-c", RANDOM_PROGRAMS], capture_output=True, text=True, check=True
    ).stdout
    for one, other in zip(here.splitlines(), wheel.splitlines(), strict=True):
        assert one == other
