"""What the kernel weighs: bytes of flash, lines of code."""

import ast
import io
import tokenize

from bulkhead_host.bench.images import Images, modules

_NOT_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def measure(images: Images) -> dict[str, float]:
    """Return kernel_flash_bytes and kernel_code_lines.

    The first is what an image with kernel, port and user library frozen in takes more than
    MicroPython alone, names and all. The second counts the lines of `firmware/kernel` that hold
    code: neither empty, nor comment, nor docstring.
    """
    return {
        "kernel_flash_bytes": images.kernel.flash_used - images.stock.flash_used,
        "kernel_code_lines": sum(
            code_lines(file.read_text()) for file in modules("kernel").values()
        ),
    }


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
