"""What services may import, and what they get of it; and a look at the kernel's own words."""
