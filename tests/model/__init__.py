"""The model ring: every state of small worlds, with the real kernel making each step."""
