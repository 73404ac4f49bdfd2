"""What a full mailbox does, by the kernel's numbers."""

FAIL, BLOCK, DROP_OLDEST = 0, 1, 2
