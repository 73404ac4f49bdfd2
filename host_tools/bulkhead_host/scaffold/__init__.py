"""What `bulkhead new` and `bulkhead new-service` write."""
