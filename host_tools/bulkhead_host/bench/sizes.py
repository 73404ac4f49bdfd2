"""What the kernel weighs: bytes of flash, lines of code."""

import ast
import io
import re
import tokenize
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bulkhead_host.bench.images import Images, kernel_modules, modules
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text

_NOT_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def measure(images: Images) -> dict[str, float]:
    """Return kernel_flash_bytes, how much of it functions are, and kernel_code_lines.

    The first is what an image with kernel, port and user library frozen in takes more than
    MicroPython alone, in the 256-byte pages that are programmed. Of it native code (viper's
    too) and bytecode have a figure; the rest is names, constants and tables. The last counts the
    lines of `firmware/kernel` that hold code: neither empty, nor comment, nor docstring.
    """
    native, bytecode = function_bytes(images.kernel.elf)
    return {
        "kernel_flash_bytes": images.kernel.flash_used - images.stock.flash_used,
        "kernel_flash_native_bytes": native,
        "kernel_flash_bytecode_bytes": bytecode,
        "kernel_code_lines": sum(
            code_lines(read_text(file)) for file in modules("kernel").values()
        ),
    }


def function_bytes(elf: Path) -> tuple[int, int]:
    """Return the bytes of native code and of bytecode that are ours in an image.

    MicroPython's `mpy-tool.py` makes of each function a symbol `fun_data_MODULE_...`: in a section
    of code if it is native, else in one of read-only data. Raises BulkheadError for a file that
    is no image, or one without symbols.
    """
    try:
        with elf.open("rb") as file:
            return _function_bytes(ELFFile(file), elf)
    except ELFError as error:
        raise BulkheadError(f"{elf} is no image: {error}", "build the image anew") from None


def _function_bytes(image: ELFFile, elf: Path) -> tuple[int, int]:
    packages = {name.split("/")[0] for name in kernel_modules()}
    ours = re.compile(rf"fun_data_({'|'.join(sorted(packages))})_")
    native = bytecode = 0
    symbols = image.get_section_by_name(".symtab")
    if not isinstance(symbols, SymbolTableSection):
        raise BulkheadError(f"{elf} has no symbols", "build the image anew")
    for symbol in symbols.iter_symbols():
        if not ours.match(symbol.name):
            continue
        if image.get_section(symbol["st_shndx"]).name == ".text":
            native += symbol["st_size"]
        else:
            bytecode += symbol["st_size"]
    return native, bytecode


def code_lines(source: str) -> int:
    """Return the number of lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and _is_text(first.value) and first.end_lineno:
                lines.difference_update(range(first.lineno, first.end_lineno + 1))
    return len(lines)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
