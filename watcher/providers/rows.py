"""Reading a row value by value, for every provider plug-in: an odd value costs itself alone.

Rules: pure. Three things stay apart: a key that the row lacks was not shown, null (or a blank text)
shows that there is nothing, and a value that cannot be read was not shown either, but is kept in
mind: `Row.complaints` names it by its path, never by its content, which may be a customer's words.

    def observe(row: Row, id_: str) -> Observation:
        fields = {"contact.email": row.text("email"), "created_at": row.read("at", iso_time)}
        return Observation(id_, shown(fields))

    read = read_rows(body["conversations"], observe)

The readers (`text`, `whole_number`, …) take one value that is not null; they return None for what
is empty, and raise Unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from watcher.blank import filled, is_blank

__all__ = [
    "UNSHOWN",
    "ReadRows",
    "Row",
    "Shown",
    "Unreadable",
    "epoch_seconds",
    "flag",
    "identifier",
    "iso_time",
    "json_object",
    "known",
    "missing",
    "nowhere_readable",
    "read_rows",
    "shown",
    "text",
    "texts",
    "whole_number",
]

LARGEST_NUMBER = 2**53
"""Above it, JSON parsers disagree on the value of a number."""

LONGEST_TIME = 64
"""Characters of a time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

MOST_NAMED = 8
"""Values that one complaint names."""

_DIGITS = re.compile(r"[0-9]{1,18}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?\Z")


class _Unshown(Enum):
    """The type of `UNSHOWN`."""

    UNSHOWN = "unshown"


UNSHOWN: Final = _Unshown.UNSHOWN
"""Stands for what a row does not show: its key is absent, or its value cannot be read."""

T = TypeVar("T")

Shown: TypeAlias = T | Literal[_Unshown.UNSHOWN] | None
"""A value as a row shows it: None is nothing."""


class Unreadable(ValueError):
    """A value cannot be read."""


_NOTHING: frozenset[str] = frozenset()


class Row:
    """One JSON object of a row, read key by key; remembers what could not be read."""

    __slots__ = ("_prefix", "_unreadable", "plain")

    def __init__(
        self, plain: Mapping[str, Any], prefix: str = "", unreadable: dict[str, str] | None = None
    ) -> None:
        self.plain = plain
        """The decoded object."""

        self._prefix = prefix
        # Shared with the objects inside.
        self._unreadable: dict[str, str] = {} if unreadable is None else unreadable

    @property
    def unreadable(self) -> frozenset[str]:
        """The paths of the values that could not be read so far."""
        return frozenset(self._unreadable) if self._unreadable else _NOTHING

    def has(self, *keys: str) -> bool:
        """Return whether one of the keys is there, whatever its value."""
        # A loop, because a generator costs more than all it looks at.
        for key in keys:  # noqa: SIM110 - see above
            if key in self.plain:
                return True
        return False

    def failed(self, *keys: str) -> bool:
        """Return whether one of these keys was read in vain."""
        # Nearly every row is read without a failure.
        return bool(self._unreadable) and any(
            self._prefix + key in self._unreadable for key in keys
        )

    def read(
        self, key: str, reader: Callable[[Any], T | None], *, absent: Shown[T] = UNSHOWN
    ) -> Shown[T]:
        """Return the value under a key as `reader` reads it, None for null.

        `absent` is what it means that the row lacks the key.
        """
        value = self.plain.get(key, UNSHOWN)
        if value is None:
            return None
        if value is UNSHOWN:
            return absent
        try:
            return reader(value)
        except Unreadable:
            self.refuse(key)
            return UNSHOWN

    def text(self, key: str) -> Shown[str]:
        """Return a text; a number is one, too."""
        value = self.plain.get(key, UNSHOWN)
        # Most values are texts, or not there: they need no reader.
        if value is None or value is UNSHOWN:
            return value
        return filled(value) if type(value) is str else self.read(key, text)

    def object(self, key: str) -> Shown[Row]:
        """Return the object under a key, to be read like the row itself."""
        plain = self.read(key, json_object)
        return plain if plain is None or plain is UNSHOWN else self.inside(key, plain)

    def inside(self, key: str, plain: Mapping[str, Any]) -> Row:
        """Return the reader of an object that stands somewhere under a key."""
        return Row(plain, f"{self._prefix}{key}.", self._unreadable)

    def refuse(self, key: str) -> None:
        """Note that what is under a key cannot be read."""
        value = self.plain.get(key)
        kind = "missing" if key not in self.plain else _kind(value)
        self._unreadable.setdefault(self._prefix + key, kind)

    def id(self, key: str = "id") -> str | None:
        """Return the row's own id, None where it shows no usable one."""
        return known(self.read(key, identifier))

    def complaints(self, id_: str) -> tuple[str, ...]:
        """Return a line on all values that could not be read so far, or nothing."""
        if not self._unreadable:
            return ()
        named = [f"{path} ({kind})" for path, kind in sorted(self._unreadable.items())]
        more = len(named) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        return (f"conversation {id_[:60]}: {', '.join(named[:MOST_NAMED])}{rest} cannot be read",)


@dataclass(frozen=True, slots=True)
class ReadRows(Generic[T]):
    """The rows of a page, read one by one."""

    seen: tuple[T, ...]
    """What the rows with a usable id show."""

    readers: tuple[Row, ...]
    """Those rows."""

    unusable: int
    """How many rows have no usable id."""

    complaints: tuple[str, ...]
    """A line on each row that has something that cannot be read."""


def read_rows(plain: Sequence[Any], observe: Callable[[Row, str], T]) -> ReadRows[T]:
    """Read rows one by one; `observe` returns what a row with this id shows."""
    seen: list[T] = []
    readers: list[Row] = []
    complaints: list[str] = []
    for number, one in enumerate(plain, 1):
        row = Row(one if isinstance(one, Mapping) else {})
        id_ = row.id()
        if id_ is None:
            complaints.append(f"row {number}: no usable id")
            continue
        seen.append(observe(row, id_))
        readers.append(row)
        complaints += row.complaints(id_)
    return ReadRows(tuple(seen), tuple(readers), len(plain) - len(seen), tuple(complaints))


def shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without those that are UNSHOWN."""
    return {path: value for path, value in fields.items() if value is not UNSHOWN}


def known(value: Shown[T]) -> T | None:
    """Return the value, None where nothing is shown."""
    return None if value is UNSHOWN else value


def missing(
    rows: Sequence[Row], expected: Iterable[str], *, nullable: bool = True
) -> tuple[str, ...]:
    """Return which of the keys that every row should have no row shows.

    A key whose value cannot be read is not shown, and without `nullable` neither is one with null;
    but one odd row alone is not a changed API.
    """

    def shows(row: Row, key: str) -> bool:
        there = key in row.plain and (nullable or row.plain[key] is not None)
        return there and (len(rows) == 1 or not row.failed(key))

    return tuple(key for key in expected if rows and not any(shows(row, key) for row in rows))


def nowhere_readable(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the paths that cannot be read in any of several rows: the sign of a changed API."""
    if len(rows) < 2 or not all(row.unreadable for row in rows):
        return ()
    return tuple(sorted(frozenset.intersection(*(row.unreadable for row in rows))))


# Readers


def text(value: Any) -> str | None:
    """Read a text, or a number as one (a phone number without quotes, an id); blank is nothing."""
    if isinstance(value, str):
        return filled(value)
    return _number_as_text(value)


def identifier(value: Any) -> str:
    """Read an id that must be there, which some services write as a number."""
    if not isinstance(value, str):
        return _number_as_text(value)
    if is_blank(value):
        raise Unreadable
    return value


def whole_number(value: Any) -> int:
    """Read a count that may be a number or its text."""
    if type(value) is int and 0 <= value <= LARGEST_NUMBER:  # nearly every count
        return value
    if isinstance(value, str):
        value = value.strip()
        if not _DIGITS.match(value):
            raise Unreadable
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise Unreadable
    return value


def flag(value: Any) -> bool:
    """Read true or false; 1, 0 and the two words in quotes are understood."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, str) and (word := value.strip().casefold()) in ("true", "false"):
        return word == "true"
    raise Unreadable


def json_object(value: Any) -> Mapping[str, Any]:
    """Read an object as it is."""
    if type(value) is dict or isinstance(value, Mapping):  # the second look is slow
        return value
    raise Unreadable


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts, sorted and each once; blank ones are nothing.

    One that is not a text makes the whole list unreadable: without it, the list would be another.
    """
    if not isinstance(value, list) or None in value:
        raise Unreadable
    if not value:
        return ()
    read = map(text, value)
    return tuple(sorted({one for one in read if one is not None}))


def iso_time(value: Any) -> datetime | None:
    """Read an ISO 8601 time, in UTC where it names no zone; blank is nothing."""
    if not isinstance(value, str):
        raise Unreadable
    if is_blank(value):
        return None
    if len(value) > LONGEST_TIME:
        raise Unreadable
    try:
        at = datetime.fromisoformat(value.strip())
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable from None
    return _of_this_era(at)


def epoch_seconds(value: Any) -> datetime | None:
    """Read seconds since 1970 (as a number or its text; 0 is never) or an ISO 8601 time."""
    if isinstance(value, str):
        if not _NUMBER.match(value.strip()):
            return iso_time(value)
        value = float(value)
    if type(value) not in (int, float):  # a bool is no number of seconds
        raise Unreadable
    if value == 0:
        return None
    try:
        return _of_this_era(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        raise Unreadable from None


def _of_this_era(at: datetime) -> datetime:
    if not EPOCH <= at < LATEST:
        raise Unreadable
    return at


def _number_as_text(value: Any) -> str:
    if type(value) is int:  # nearly every number
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_NUMBER:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable
    return str(value)


def _kind(value: Any) -> str:
    """Return the type of a JSON value in words, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, Mapping) else "a list"
