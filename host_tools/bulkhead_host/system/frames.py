"""What the source of a service calls the frame that the kernel hands to it."""

FRAME_NAMES = ("task", "sys")
"""`task` is what documents and templates say; `sys` is what services of version 0.1 said."""
