"""Manifests, applications and boards: their TOML files, checks, and what is made of them."""
