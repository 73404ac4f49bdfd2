"""Operations of the template service."""

from micropython import const

GREET = const(1)  # arg: a name -> OK, arg: a greeting
COUNT = const(2)  # -> OK, arg: greetings since the service started

NAME_MAX = const(40)  # characters; a longer name, or no text, is REFUSED
