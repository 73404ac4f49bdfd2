"""The counter's version, as it tells it."""

from micropython import const

VERSION = const(1)
