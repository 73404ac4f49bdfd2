"""What of a board's heap is free, as MicroPython itself says at the prompt."""

import re

from bulkhead_host.emulator import EmulatedBoard

_INFO = re.compile(rb"free: (\d+)\s.*max free sz: (\d+)", re.DOTALL)
_UNIT_BYTES = 16


def free_heap(board: EmulatedBoard) -> tuple[int, int]:
    """Return the bytes that are free, and those in the largest piece; services go on meanwhile."""
    board.write(b"\x03")
    board.run_until(b">>> ", timeout_ms=1000)
    board.write(b"import gc, micropython; gc.collect(); micropython.mem_info()\r")
    found = _INFO.search(board.run_until(b"\n>>> ", timeout_ms=1000))
    assert found is not None
    board.write(b"resume()\r")
    return int(found[1]), int(found[2]) * _UNIT_BYTES
