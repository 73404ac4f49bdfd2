"""What MicroPython runs before `main.py`: nothing has to be prepared on this port."""
