"""Ports of this host that a test gives to a program, or that nobody listens at."""

import socket

HERE = "127.0.0.1"
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a port that nobody has.

    It stays taken while these tests run, so that no other program is given it before the one that
    is to listen there: who sets SO_REUSEADDR, as servers do, may. Until then connections to it are
    refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HERE, 0))
    _held.append(held)
    return int(held.getsockname()[1])
