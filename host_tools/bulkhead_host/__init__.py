"""Build, flash, watch and fault-inject boards that run Bulkhead."""

# What pip calls this; `bulkhead` on the index is another project's.
DISTRIBUTION = "bulkhead-kernel"
__version__ = "0.2.0"
