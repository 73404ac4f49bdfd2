"""What the build works out for the board: see `words`."""
