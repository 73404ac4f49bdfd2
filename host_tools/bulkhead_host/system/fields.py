"""Reading TOML values with errors that name the file and the key."""

from collections.abc import Mapping, Sequence
from typing import Any

from bulkhead_host.errors import UsageError


class Fields:
    """One table of a TOML file, and where it stands."""

    def __init__(self, place: str, values: Mapping[str, Any]) -> None:
        self.place = place
        self.values = values

    def wrong(self, key: str, expected: str) -> UsageError:
        """Return the error for a value that is not what it must be."""
        given = self.values.get(key)
        said = "is missing" if given is None else f"is {given!r}"
        return UsageError(f"{self.place}: {key} {said}, and must be {expected}")

    def only(self, *known: str) -> None:
        """Refuse keys that are not `known`."""
        unknown = [key for key in self.values if key not in known]
        if unknown:
            raise UsageError(
                f"{self.place}: unknown key {unknown[0]!r}",
                f"use one of {', '.join(known)}",
            )

    def table(self, key: str) -> "Fields":
        """Return a table inside this one."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return Fields(f"{self.place} [{key}]", value)

    def tables(self, key: str) -> Sequence["Fields"]:
        """Return an array of tables, none if the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self.wrong(key, "an array of tables")
        return [
            Fields(f"{self.place} [[{key}]] {index + 1}", row) for index, row in enumerate(value)
        ]

    def text(self, key: str) -> str:
        """Return a string that is not empty."""
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a string")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings, none if the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "an array of strings")
        return tuple(value)

    def choice(self, key: str, known: Sequence[str], *, default: str | None = None) -> str:
        """Return a string out of `known`."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in known:
            raise self.wrong(key, f"one of {', '.join(known)}")
        return value

    def integer(self, key: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return an integer from `low` to `high`, both included."""
        value = self.values.get(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"an integer from {low} to {high}")
        return value

    def numbers(self, key: str) -> dict[str, int]:
        """Return a table of non-negative integers."""
        table = self.table(key)
        return {name: table.integer(name, low=0, high=1 << 30) for name in table.values}
