"""How boards and services are shown, apart from where the figures come from."""
