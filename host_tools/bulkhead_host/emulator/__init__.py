"""The emulated board: a Raspberry Pi Pico that runs real images, on rp2040py."""

from bulkhead_host.emulator import native_core

native_core.install()  # before any module of this package imports rp2040py

from bulkhead_host.emulator.board import EmulatedBoard  # noqa: E402

__all__ = ["EmulatedBoard"]
