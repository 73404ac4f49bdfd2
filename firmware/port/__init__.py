"""All that knows the chip, one module a port. `README.md` is the contract they share."""
