"""Firmware images: sources, toolchain, build, UF2, and putting them on a board."""
