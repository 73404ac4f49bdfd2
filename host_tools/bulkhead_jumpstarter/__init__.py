"""Boards that run Bulkhead as devices of jumpstarter, which leases them to people and CI.

In the file of an exporter:

    export:
      pico:
        type: bulkhead_jumpstarter.BulkheadBoard
        config: { port: "id:E6614C311B7F2A2C" }
      emulated:
        type: bulkhead_jumpstarter.EmulatedBoard
        config: { image: build/bulkhead-pico.uf2 }

Both have the children `serial` and `flasher`; an emulated one has `power` too. Their client has
the commands `ps`, `fault`, `inject` and `reset`, and `forwarded`, by which every tool, and a test
suite's inventory, has the board at a port of the loopback.
"""

from bulkhead_jumpstarter.driver import BulkheadBoard, BulkheadFlasher
from bulkhead_jumpstarter.emulated import EmulatedBoard, EmulatedPower

__all__ = ["BulkheadBoard", "BulkheadFlasher", "EmulatedBoard", "EmulatedPower"]
