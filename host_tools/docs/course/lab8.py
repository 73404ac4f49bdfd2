"""Lab 8: survive your neighbour's attack."""

from bulkhead import OK

PUT = 1  # arg: (key, value): text of 1 to 16 characters, at most 32 bytes -> OK; FULL_UP
GET = 2  # arg: key -> OK, arg: the value; NO_KEY
NO_KEY = 1
FULL_UP = 2  # the caller has KEYS_MAX keys

KEYS_MAX = 8


def vault(task):
    """Keep secrets: each client reaches its own. Whatever is no such request is REFUSED."""
    secrets = {}
    operation = yield task.recv()
    while True:
        if operation == PUT:
            key, value = task.arg
            secrets[key] = value
            operation = yield task.reply_recv(OK)
        else:
            operation = yield task.reply_recv(OK, secrets[task.arg])
