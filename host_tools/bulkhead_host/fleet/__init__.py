"""Many boards at a broker: which there are, how they are, and new code for them in waves."""
