"""The button: a press waters, a hold stops the pump."""

from bulkhead import DEAD, OK

from services.button.api import WAIT
from services.gardener.api import WATER
from services.logger.api import INFO
from services.pump.api import STOP
from services.settings.api import ask


def main(task):
    """Wait for the button for ever."""
    button, logger = task.cap("button"), task.cap("logger")
    holds = 0
    while True:
        status = yield task.call(button, WAIT, None, 60_000)
        if status == DEAD:
            holds = 0  # it counts anew
            yield task.reopen(button)
            yield task.sleep(50)
        elif status == OK:
            _presses, held = task.arg
            if held != holds:
                holds = held
                yield task.send(logger, INFO, "held: stop")
                yield from ask(task, "pump", STOP)
            else:
                yield task.send(logger, INFO, "pressed: water")
                yield from ask(task, "gardener", WATER)
