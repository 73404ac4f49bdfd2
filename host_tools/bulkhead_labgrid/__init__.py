"""Boards that run Bulkhead as targets of labgrid, which leases boards of a farm to people and CI.

    imports: [bulkhead_labgrid]
    targets:
      main:
        resources:
          RawSerialPort: { port: /dev/ttyACM0 }
        drivers:
          BulkheadDriver: { image: app }
          BulkheadStrategy: {}
    images:
      app: build/bulkhead-pico.uf2

Importing this registers both with labgrid. The port may be one that an exporter shares, too.
"""

from bulkhead_labgrid.driver import BulkheadDriver
from bulkhead_labgrid.strategy import BulkheadStrategy, Status

__all__ = ["BulkheadDriver", "BulkheadStrategy", "Status"]
