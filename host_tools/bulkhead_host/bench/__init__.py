"""Benchmarks on the emulated board: the programs, the figures, their targets."""
