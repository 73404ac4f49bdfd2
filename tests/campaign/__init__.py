"""Millions of faults: inside services, and inside the kernel's own words."""
