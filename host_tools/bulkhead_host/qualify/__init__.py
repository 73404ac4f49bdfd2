"""What a board can do, found out on it: `bulkhead qualify`."""
