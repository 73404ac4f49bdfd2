"""The commands of `bulkhead`, one module each: options, a plain function, and its output."""
