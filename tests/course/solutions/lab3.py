"""Lab 3: answer out of order."""

from time import ticks_add, ticks_diff, ticks_ms

from bulkhead import OK, REFUSED, TIMEOUT

BAKE = 1  # arg: milliseconds, at most 500 -> after that time: OK
HOW_MANY = 2  # -> at once: OK, arg: how many bake now


def oven(task):
    """Serve the operations above. Any number of callers bake at the same time."""
    baking = []  # when it is done, and for whom
    while True:
        now = ticks_ms()
        for loaf in [loaf for loaf in baking if ticks_diff(loaf[0], now) <= 0]:
            baking.remove(loaf)
            yield task.reply_to(loaf[1], OK)
        if baking:
            wait_ms = min([ticks_diff(done, now) for done, _ in baking])
            operation = yield task.recv(timeout_ms=wait_ms)
        else:
            operation = yield task.recv()
        if operation == TIMEOUT:
            continue
        if operation == BAKE and type(task.arg) is int and 0 <= task.arg <= 500:
            baking.append((ticks_add(ticks_ms(), task.arg), task.caller()))
        elif operation == HOW_MANY:
            yield task.reply(OK, len(baking))
        else:
            yield task.reply(REFUSED)
