"""Build, flash, watch and fault-inject boards that run Bulkhead."""

__version__ = "0.1.0"
