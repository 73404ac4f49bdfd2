"""Lab 8: survive your neighbour's attack."""

from bulkhead import OK, REFUSED

PUT = 1  # arg: (key, value): text of 1 to 16 characters, at most 32 bytes -> OK; FULL_UP
GET = 2  # arg: key -> OK, arg: the value; NO_KEY
NO_KEY = 1
FULL_UP = 2  # the caller has KEYS_MAX keys

KEYS_MAX = 8


def vault(task):
    """Keep secrets: each client reaches its own. Whatever is no such request is REFUSED."""
    secrets = {}  # by the badge of the client: its secrets
    operation = yield task.recv()
    while True:
        own = secrets.setdefault(task.badge(), {})
        if operation == PUT and is_secret(task.arg):
            status, value = put(own, *task.arg), None
        elif operation == GET and is_key(task.arg):
            status = OK if task.arg in own else NO_KEY
            value = own.get(task.arg)
        else:
            status, value = REFUSED, None
        operation = yield task.reply_recv(status, value)


def put(own, key, value):
    """Keep one secret; return the status."""
    if key not in own and len(own) >= KEYS_MAX:
        return FULL_UP
    own[key] = value
    return OK


def is_key(arg):
    """Tell whether a value is a key."""
    return type(arg) is str and 1 <= len(arg) <= 16


def is_secret(arg):
    """Tell whether a value is what PUT takes."""
    if type(arg) is not tuple or len(arg) != 2:
        return False
    key, value = arg
    return is_key(key) and type(value) is bytes and len(value) <= 32
