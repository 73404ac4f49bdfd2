"""Benchmarks on the emulated board: the programs, the figures, their targets.

`python -m bulkhead_host.bench` measures everything; `measurements` is the table of what there is.
What runs on the board lives in `firmware/bench`. Every time is the device's own, so a figure is
the same in each run and on every machine.
"""
