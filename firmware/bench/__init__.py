"""Benchmarks that run on the board: each module's `main` measures and prints `name=value` lines.

Frozen into an image that comes up at the REPL; `bulkhead_host.bench` boots it, runs a module,
reads the lines and knows the units, the targets and what a figure means to people. Every time
is taken with the board's own microsecond timer, unless the module says that the host measures.
"""
