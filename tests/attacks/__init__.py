"""Services that set out to break in, and what becomes of each."""
