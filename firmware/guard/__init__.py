"""What services may import, and what they get of it: they reach what their manifests name."""
