"""What is around the motor's board: somebody who turns the key, and now and then stops it."""

MUSHROOM, KEY = 15, 14  # GPIO
KEY_MS, STOP_MS = 300, 1_900


def furnish(desk):
    """Turn the key again and again, so that there is power most of the time."""
    desk.every(KEY_MS, lambda: press(desk, KEY))
    desk.every(STOP_MS, lambda: press(desk, MUSHROOM))


def press(desk, gpio):
    """Close a contact to ground for 20 ms."""
    desk.pin(gpio).drive(0)
    desk.at(20, desk.pin(gpio).release)
