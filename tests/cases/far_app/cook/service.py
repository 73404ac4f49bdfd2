"""Call a service of another board, and tell what came of it."""

from bulkhead import DEAD, OK, REFUSED

from services.cook.api import ASK, ASK_NOBODY


def main(task):
    """Serve `api`."""
    targets = {ASK: task.cap("garden:soil"), ASK_NOBODY: task.cap("garden:nobody")}
    operation = yield task.recv()
    while True:
        if operation not in targets:
            operation = yield task.reply_recv(REFUSED)
            continue
        token = task.caller()
        asked, argument, timeout_ms = task.arg
        target = targets[operation]
        status = yield task.call(target, asked, argument, timeout_ms)
        if status == DEAD and (yield task.reopen(target)) == OK:  # `far` was started again
            status = yield task.call(target, asked, argument, timeout_ms)
        answer = task.arg if status == OK else None
        yield task.reply_to(token, OK, (status, answer))
        operation = yield task.recv()
