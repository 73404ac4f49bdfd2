"""The console service answers the host over the link (`bulkhead.link`); it has no operations."""
