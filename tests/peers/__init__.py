"""Other people's tests, on a board that runs Bulkhead and on one that does not."""
