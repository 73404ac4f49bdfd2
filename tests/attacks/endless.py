"""Attacks that never end, or not for seconds, in one call of C: where no bytecode is."""

from attacks.tools import after, reached

# What only an image changes in MicroPython stops.
ON_AN_IMAGE = (
    "compare_without_end",
    "convert_without_end",
    "count_without_end",
    "iterate_without_end",
    "look_up_without_end",
    "match_without_end",
    "multiply_without_end",
    "search_without_end",
    "sort_without_end",
)


@after
def count_without_end(_sys):
    """Never end in one call of C, which counts."""
    sum(range(1 << 29))
    reached()


@after
def match_without_end(_sys):
    """Never end in one call of C, which looks for a pattern."""
    import re

    re.match("(a|a)*b", "a" * 24)
    reached()


@after
def iterate_without_end(_sys):
    """Never end in one call of C, which asks an iterator whose next item is C's too."""

    class Clock:
        def __iter__(self):
            return self

        __next__ = staticmethod(int)

    sum(Clock())
    reached()


@after
def multiply_without_end(_sys):
    """Multiply and divide numbers of so many digits that it takes seconds."""
    bits = 60_000
    large = (1 << bits) - 1
    (large * large) // (large - 2)
    reached()


@after
def convert_without_end(_sys):
    """Make a text of a number of so many digits that it takes seconds, and a number of a text."""
    bits = 20_000
    if int(str((1 << bits) - 1)) > 0:
        reached()


@after
def search_without_end(_sys):
    """Look for a text that nearly fits at each place of another."""
    text = "a" * 12_000
    text.find("a" * 6_000 + "b")
    reached()


@after
def sort_without_end(_sys):
    """Sort what is sorted already, which takes the square of its length."""
    sorted(range(3_000))
    reached()


@after
def compare_without_end(_sys):
    """Compare tuples of which each holds the next one twice."""
    one, other = (0.5,), (0.5,)
    for _ in range(30):
        one, other = (one, one), (other, other)
    if one == other:
        reached()


@after
def look_up_without_end(_sys):
    """Look for an attribute in classes of which each has two bases, and these the same two."""
    one, other = type("One", (), {}), type("Other", (), {})
    for _ in range(30):
        one, other = type("One", (one, other), {}), type("Other", (one, other), {})
    if not hasattr(one(), "nothing"):
        reached()
