"""The Bulkhead microkernel: tasks, scheduling, messages, capabilities, interrupts, faults."""
