"""Tests of MicroPython's that pass without Bulkhead and not with it, each with the reason."""

DIFFERENCES = {
    "basics/builtin_compile.py": "functions have no __globals__: a service would get at others' "
    "names (firmware/README.md, What an image changes in MicroPython)",
    "micropython/heapalloc_iter.py": "a known fault: what is done under a locked heap at the "
    "prompt raises MemoryError there",
}
