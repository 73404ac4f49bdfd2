"""A page that shows a board live: services, load, log, trace, and buttons that make them fail."""
