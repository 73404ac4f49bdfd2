"""The serial link to a board: ports, frames, and a client of the console service."""
