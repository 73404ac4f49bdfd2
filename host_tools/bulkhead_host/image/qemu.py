"""MicroPython's own `qemu` port with modules frozen in: code for processors without a board here.

It comes from the sources that images come from, with the same changes, and from Debian's compilers
and QEMU. `firmware/port/qemu` has the timer interrupt that it lacks, in C.

    cache/qemu/PROCESSOR-KEY/    the copy of the sources, objects; a build folder
    cache/processors/KEY/        firmware.elf, by all that is in it: another checkout's is another
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.files import folder_whole, read_text, write_text, write_whole
from bulkhead_host.image.cache import Progress, digest, digest_files, keep_newest, locked, quiet
from bulkhead_host.image.change import Change
from bulkhead_host.image.frozen import frozen_lines, mended
from bulkhead_host.image.hardening import CHANGES, hardened
from bulkhead_host.image.mpy import compile_modules
from bulkhead_host.image.packages import (
    Packages,
    Purpose,
    has_file,
    has_program,
    install_missing,
    missing,
)
from bulkhead_host.image.process import run, run_logged
from bulkhead_host.image.sources import SourceTree, are_at_hand, source_tree
from bulkhead_host.image.tighten import own_source
from bulkhead_host.image.toolchain import COMPILER
from bulkhead_host.image.toolchain import PACKAGES as IMAGE_PACKAGES
from bulkhead_host.paths import cache_dir, mpy_cross_program, source_root
from bulkhead_host.system.merge import merge

HEAP_BYTES = 192 * 1024
INSTRUCTION_NS = 8
"""What an instruction takes of the emulated time: 2 to the power of 3, as QEMU counts them."""

_FOLDERS_KEPT = 6
_MADE_KEPT = 12
_RISCV = "riscv64-unknown-elf-gcc"
_ARM_PACKAGES: Packages = {
    "gcc-arm-none-eabi": has_program(COMPILER),
    "libnewlib-arm-none-eabi": IMAGE_PACKAGES["libnewlib-arm-none-eabi"],
    "qemu-system-arm": has_program("qemu-system-arm"),
    "make": has_program("make"),
}
_RISCV_PACKAGES: Packages = {
    "gcc-riscv64-unknown-elf": has_program(_RISCV),
    "picolibc-riscv64-unknown-elf": has_file(_RISCV, "picolibc.specs"),
    "qemu-system-misc": has_program("qemu-system-riscv32"),
    "make": has_program("make"),
}


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A processor that QEMU emulates, on a machine of its own.

    `micropython_board` is the folder in MicroPython's `ports/qemu/boards`; `architecture` the
    native code that mpy-cross emits; `settings` are of the port's Makefile; `emulator` is the
    command without the firmware; `changes` are made in MicroPython beside an image's.
    """

    name: str
    micropython_board: str
    architecture: str
    compiler: str
    packages: Packages
    settings: Mapping[str, str]
    emulator: tuple[str, ...]
    changes: tuple[Change, ...] = ()

    def command(self, elf: Path) -> list[str]:
        """Return what emulates a firmware with its serial line on standard input and output.

        Time is the instructions that were executed, and none goes by in sleep: the same input
        gives the same run on every machine.
        """
        shift = INSTRUCTION_NS.bit_length() - 1
        options = ["-nographic", "-monitor", "none", "-semihosting", "-serial", "stdio"]
        counted = ["-icount", f"shift={shift},sleep=off"]
        return [*self.emulator, *options, *counted, "-kernel", str(elf)]


# The counter and its megahertz are those of QEMU's `mps2-an385` (Arm's application note 385, 4.8),
# as is the processor's clock, which SysTick counts.
_MPS2 = "-DHARD_TICK_COUNTER=0x40028018 -DHARD_TICK_MHZ=25 -DHARD_TICK_SYSTICK_MHZ=25"
# The compiler has a library for rv32imac, and looks for none by a name with Zicsr. Frozen code is
# data between functions, of odd lengths, which the linker cannot relax around.
_RV32 = {"RV32_ARCH": "rv32imac", "AFLAGS": "-mabi=ilp32 -march=rv32imac_zicsr -mno-relax"}
# On the chips that the kernel runs on the address of memory is a small int, which takes none of
# the heap. QEMU's `virt` has its memory from 2 to the power of 31 on: machine code passes pointers
# there as negative small ints, which are the address of nothing else.
_POINTER = "            // we return just the value of the pointer as an integer\n"
_ADDRESS = "                // assume obj is an integer that represents an address\n"
# The queue of callbacks keeps what it has called, a kernel of an earlier case with all that its
# services had: cases of one file share a heap, and are to find it empty.
_TAKEN = """\
        MP_STATE_VM(sched_idx) = IDX_MASK(MP_STATE_VM(sched_idx) + 1);
        --MP_STATE_VM(sched_len);
        program_called_back"""
_FORGOTTEN = """\
        MP_STATE_VM(sched_queue)[MP_STATE_VM(sched_idx)].arg = mp_const_none;
"""
_QUEUE_CHANGES = (Change(path="py/scheduler.c", before=_TAKEN, after=_FORGOTTEN + _TAKEN),)
_RV32_CHANGES = (
    Change(
        path="py/nativeglue.c",
        before=_POINTER,
        after="""\
            if ((val >> 30) == 2) {
                return MP_OBJ_NEW_SMALL_INT((mp_int_t)(val + 0x40000000));
            }
"""
        + _POINTER,
    ),
    Change(
        path="py/nativeglue.c",
        before=_ADDRESS,
        after="""\
                if (mp_obj_is_small_int(obj) && MP_OBJ_SMALL_INT_VALUE(obj) < 0) {
                    return (mp_uint_t)MP_OBJ_SMALL_INT_VALUE(obj) - 0x40000000;
                }
"""
        + _ADDRESS,
    ),
)
PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor(
            name="cortex-m3",
            micropython_board="MPS2_AN385",
            architecture="armv6m",
            compiler=COMPILER,
            packages=_ARM_PACKAGES,
            settings={"CFLAGS_EXTRA": _MPS2},
            emulator=("qemu-system-arm", "-machine", "mps2-an385"),
        ),
        Processor(
            name="rv32imc",
            micropython_board="VIRT_RV32",
            architecture="rv32imc",
            compiler=_RISCV,
            packages=_RISCV_PACKAGES,
            settings=_RV32,
            emulator=("qemu-system-riscv32", "-machine", "virt", "-bios", "none"),
            changes=_RV32_CHANGES,
        ),
    )
}


def build_firmware(
    processor: Processor, files: Mapping[str, bytes], *, progress: Progress = quiet
) -> Path:
    """Return the firmware of a processor with modules frozen in, built where the cache has none.

    Installs missing packages with apt where it may. Raises `BulkheadError` when something is
    missing or does not compile.
    """
    cache = cache_dir()
    with locked(cache / f"{processor.name}.lock", progress):
        tree = _sources(processor, cache, progress)
        version = run([processor.compiler, "--version"]).partition("\n")[0]
        settings = repr((processor.settings, processor.micropython_board, HEAP_BYTES))
        base = digest(tree.key, version, settings, repr(_changes(processor)), digest_files(_own()))
        folder = cache / "qemu" / f"{processor.name}-{base[:12]}"
        contents = merge(files)
        key = digest(base, processor.architecture, own_source(), digest_files(contents))
        made = cache / "processors" / key[:16]
        if made.exists():
            os.utime(made)
        else:
            progress(f"compiling MicroPython for {processor.name}")
            elf = _build(processor, contents, tree, folder)
            with folder_whole(made) as fresh:
                shutil.copyfile(elf, fresh / elf.name)
            with locked(cache / "qemu.lock", progress):  # those of all processors are there
                keep_newest(made.parent, _MADE_KEPT)
                keep_newest(folder.parent, _FOLDERS_KEPT)
        return made / "firmware.elf"


def _changes(processor: Processor) -> tuple[Change, ...]:
    return (*CHANGES, *_QUEUE_CHANGES, *processor.changes)


def _sources(processor: Processor, cache: Path, progress: Progress) -> SourceTree:
    """Return the sources. What has to be fetched waits for who builds an image, who may do it."""
    purpose = Purpose(what=f"code for {processor.name}", instead="make test-unix")
    if are_at_hand(cache) and not missing(processor.packages):
        return source_tree(cache, progress=progress)
    with locked(cache / "build.lock", progress):
        install_missing(processor.packages, purpose=purpose, progress=progress)
        return source_tree(cache, progress=progress)


def _build(
    processor: Processor, contents: Mapping[str, bytes], tree: SourceTree, folder: Path
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    micropython = hardened(tree.micropython, folder / "micropython", changes=_changes(processor))
    mpy_cross = mpy_cross_program()
    modules = compile_modules(contents, processor.architecture, mpy_cross)
    for path, module in modules.items():
        write_whole(folder / "modules" / Path(path).with_suffix(".mpy"), module)
    for name, content in _own().items():
        write_whole(folder / "parts" / name, content)
    lines = frozen_lines(modules, str(folder / "modules"))
    write_text(folder / "manifest.py", "\n".join(lines) + "\n")
    settings = {
        "BOARD": processor.micropython_board,
        "BUILD": folder / "build",
        "FROZEN_MANIFEST": folder / "manifest.py",
        "USER_C_MODULES": folder / "parts",
        "MICROPY_MPYCROSS": mpy_cross,
        "MICROPY_HEAP_SIZE": HEAP_BYTES,
        "PYTHON": sys.executable,
        **processor.settings,
    }
    port = micropython / "ports" / "qemu"
    make = ["make", "-C", str(port), f"-j{os.cpu_count() or 1}"]
    make += [f"{name}={value}" for name, value in settings.items()]
    frozen = folder / "build" / "frozen_content.c"
    frozen.unlink(missing_ok=True)
    for target in (str(frozen), "all"):
        environment = tree.recipe.environment()
        run_logged([*make, target], environment=environment, log=folder / "build.log")
        write_whole(frozen, mended(read_text(frozen)).encode())  # make leaves what is newer alone
    return folder / "build" / "firmware.elf"


def _own() -> dict[str, bytes]:
    """Return what MicroPython's port lacks: path to content."""
    parts = source_root() / "firmware" / "port" / "qemu"
    files = sorted(parts.glob("*/*"))
    return {file.relative_to(parts).as_posix(): file.read_bytes() for file in files}
