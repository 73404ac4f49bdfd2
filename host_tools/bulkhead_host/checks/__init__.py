"""What `make check` looks at: format, lint, types, who imports whom, and style.

Every check is a function from the root of a source tree to the problems found in it. Each can
fail: `tests/host` seeds the errors that each must find.
"""
