"""Read a capacitive moisture probe: more volts is drier."""

from bulkhead import DEAD, OK, REFUSED

from services.adc.api import MILLIVOLTS
from services.logger.api import WARNING
from services.soil.api import CALIBRATE, NO_SENSOR, RAW, READ

DRY_MV = 2600
WET_MV = 1100
UNPLUGGED_MV = 100


class Probe:
    """What the probe says in dry and in wet soil, in millivolts."""

    def __init__(self):
        self.dry = DRY_MV
        self.wet = WET_MV

    def export_state(self):
        """Return what an update hands over."""
        return (self.dry, self.wet)

    def import_state(self, _version, state):
        """Go on where the last version has stopped."""
        self.dry, self.wet = state

    def moisture(self, mv):
        """Return the moisture in per mille."""
        per_mille = (self.dry - mv) * 1000 // (self.dry - self.wet)
        return max(0, min(1000, per_mille))


def main(task):
    """Serve `api`."""
    probe = Probe()
    task.carry_over(probe)
    was_there = True
    while True:
        operation = yield task.recv()
        arg = task.arg
        if operation == READ or operation == RAW:
            caller = task.caller()
            mv = yield from measure(task)
            if mv is None:
                if was_there:
                    yield task.send(task.cap("logger"), WARNING, "no moisture probe")
                was_there = False
                yield task.reply_to(caller, NO_SENSOR)
            else:
                was_there = True
                yield task.reply_to(caller, OK, mv if operation == RAW else probe.moisture(mv))
        elif operation == CALIBRATE and type(arg) is tuple and len(arg) == 2:
            dry, wet = arg
            if type(dry) is int and type(wet) is int and dry - wet >= 100:
                probe.dry, probe.wet = dry, wet
                yield task.reply(OK)
            else:
                yield task.reply(REFUSED)
        else:
            yield task.reply(REFUSED)


def measure(task):
    """Return the probe's millivolts, None without a probe."""
    adc = task.cap("adc")
    status = yield task.call(adc, MILLIVOLTS, (0, 8))
    if status == DEAD and (yield task.reopen(adc)) == OK:
        status = yield task.call(adc, MILLIVOLTS, (0, 8))
    if status != OK or task.arg < UNPLUGGED_MV:
        return None
    return task.arg
