"""The notes of what is reached: statements, and ways out of branches."""

from model.covered import noting

SOURCE = '''"""A module."""

def count(most):
    """Count."""
    found = 0
    for number in range(most):
        if number == 2:
            continue
        found += 1
    else:
        found += 10
    try:
        while found > 20:
            found -= 1
    except ValueError:
        found = 0
    return found
'''


def missed(*calls: int) -> list[str]:
    """Return what is missed of the source by such calls."""
    text, places = noting("a/b.py", SOURCE)
    seen = bytearray(len(places.texts))
    space: dict[str, object] = {}
    exec(text.replace(text.splitlines()[1], ""), space | {"_seen": seen}, space)
    space["_seen"] = seen
    for most in calls:
        exec(f"assert count({most}) is not None", space)
    return [text for text, was in zip(places.texts, seen, strict=True) if not was]


def test_what_no_call_reaches_is_named_by_its_function_and_text() -> None:
    assert missed(1) == [
        "count: continue",
        "count: found -= 1",
        "count: found = 0",
    ]


def test_all_that_calls_reach_between_them_counts() -> None:
    assert missed(1, 20) == ["count: found = 0"]


def test_a_way_round_an_if_is_a_place() -> None:
    assert "count: not if number == 2:" in missed()
    assert "count: end of while found > 20:" in missed()
