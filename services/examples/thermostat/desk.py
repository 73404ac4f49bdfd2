"""What is around the thermostat's board: a room that is cold, and warm for a while."""

COLD_C, WARM_C = 18, 23
PERIOD_MS = 7_000


def furnish(desk):
    """Have the chip's own sensor read one and the other."""
    desk.board.set_temperature_c(COLD_C)
    for first_ms, celsius in ((PERIOD_MS, COLD_C), (PERIOD_MS * 5 // 7, WARM_C)):
        desk.at(first_ms, lambda celsius=celsius: again(desk, celsius))


def again(desk, celsius):
    """Change the room, and do so again after a period."""
    desk.board.set_temperature_c(celsius)
    desk.at(PERIOD_MS, lambda: again(desk, celsius))
