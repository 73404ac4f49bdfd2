"""The far end of an emulated board's network: PPP on its UART, and a gateway behind that."""
