"""Weeks of a board's life: it idles, services fall, code is updated, and nothing grows."""
