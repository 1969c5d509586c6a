"""Sanitizing a page: what a provider sent is untrusted input.

Rules: pure, and never raises. Whatever a plug-in reads and a mapping returns, only values of the
model's own types come in, and only those that can be compared, stored and sent: finite numbers,
Unicode text of bounded length (None where it is blank), JSON of bounded depth, times of this era.
Anything else is left out, so that the old value stays, with a complaint that names row and field,
never the value.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from watcher.blank import is_blank
from watcher.catalogue.bounds import LONGEST_TEXT, LONGEST_WORD, MOST_LABELS, MOST_PARTS
from watcher.catalogue.fields import ATTRIBUTE, PATHS, Kind
from watcher.model import NO_EVIDENCE, Disposition, Evidence, Message, Observation, Reference
from watcher.providers import Page

__all__ = ["READERS", "sanitize"]

LONGEST_ID = 512
DEEPEST = 32
MOST_COMPLAINTS = 20
LARGEST_COUNT = 2**53
"""Above it, JSON parsers disagree on the value of a number."""

DIRECTIONS = (None, "inbound", "outbound", "internal")


class _Refused(Exception):
    """A value cannot come in. The text says why, without the value."""


def sanitize(page: Page) -> Page:
    """Return the page without what must not come in. A row without a valid id is `unusable`."""
    rows: list[Observation] = []
    complaints = list(page.complaints)
    for number, row in enumerate(page.rows, 1):
        if not _is_id(row.id):
            complaints.append(f"row {number}: invalid id")
            continue
        rows.append(_sanitize_row(row, complaints))
    left = len(complaints) - MOST_COMPLAINTS
    if left > 0:
        complaints[MOST_COMPLAINTS:] = [f"and {left} more complaints about this page"]
    total = page.total
    if total is not None and not 0 <= total <= LARGEST_COUNT:
        total = None
    return dataclasses.replace(
        page,
        rows=tuple(rows),
        total=total,
        clock=_clock(page.clock),
        unusable=page.unusable + len(page.rows) - len(rows),
        complaints=tuple(map(_one_line, complaints)),
    )


def _sanitize_row(row: Observation, complaints: list[str]) -> Observation:
    changed: dict[str, Any] = {}
    refused: set[str] = set()
    for path, value in row.fields.items():
        try:
            clean = (READERS.get(path) or _reader_of(path))(value)
        except _Refused as failure:
            refused.add(path)
            complaints.append(f"conversation {row.id[:60]}: {path[:60]} {failure}")
        else:
            if clean is not value:
                changed[path] = clean
    message_id = row.message_id
    if message_id is not None and not _is_id(message_id):
        message_id = None
    evidence = _evidence(row.evidence)
    number = row.number if _is_number(row.number) else None
    activity_at = _maybe_time(row.activity_at)
    apart = (message_id, evidence, number, activity_at)
    same = apart == (row.message_id, row.evidence, row.number, row.activity_at)
    # Nearly every row is clean already; the same object is returned, not a copy.
    if same and not (changed or refused):
        return row
    kept = {path: value for path, value in row.fields.items() if path not in refused}
    return dataclasses.replace(
        row,
        fields=kept | changed,
        absent=row.absent - refused,
        message_id=message_id,
        evidence=evidence,
        number=number,
        activity_at=activity_at,
    )


def _clock(value: Any) -> datetime | None:
    try:
        return _time(value)
    except _Refused:
        return None


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT


_FLAGS = ("unanswered", "by_person", "unclear")
"""The parts of the evidence that are no times."""


def _evidence(value: Evidence) -> Evidence:
    """Return the evidence without times that cannot be one: they show nothing."""
    if value is NO_EVIDENCE:
        return value
    read: dict[str, Any] = {}
    for one in dataclasses.fields(Evidence):
        found = getattr(value, one.name)
        try:
            if one.name in _FLAGS:
                read[one.name] = one.default if found is None else _flag(found)
            else:
                read[one.name] = _time(found)
        except _Refused:
            read[one.name] = one.default
    clean = Evidence(**read)
    return value if clean == value else clean


def _maybe_time(value: Any) -> datetime | None:
    """Return a time, None for what cannot be one."""
    try:
        return _time(value)
    except _Refused:
        return None


def _is_id(value: Any) -> bool:
    """Return whether a value can stand in an address, in JSON within SQL, and on a terminal.

    `.` and `..` would lead to another address.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_ID
        and value.isprintable()
        and bool(value.strip(". "))
    )


def _one_line(complaint: str) -> str:
    words = " ".join(complaint[:400].split())
    return "".join(letter for letter in words if letter.isprintable())


def _reader_of(path: str) -> Callable[[Any], Any]:
    """Return the reader of what is no field with one of its own: of an attribute."""
    head, _, leaf = path.partition(".")
    if head != "attributes" or not (0 < len(leaf) <= 200 and leaf.isprintable()):
        raise _Refused("is not a field of a conversation")
    return _attribute


# Each reader returns the value as it may come in: the same object where nothing is wrong with it.


def _string(value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise _Refused("is not text")
    text: str = value
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            text = text.encode(errors="replace").decode()
    if "\0" in text:
        text = text.replace("\0", "�")
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(value: Any, most: int) -> str | None:
    """Read an optional text: blank is nothing."""
    if value is None:
        return None
    text = _string(value, most)
    return None if is_blank(text) else text


def _word(value: Any) -> str | None:
    # Nearly every text is like this; each is read at every poll.
    if type(value) is str and value.isascii() and value[:1].isalnum() and "\0" not in value:
        return value if len(value) <= LONGEST_WORD else _text(value, LONGEST_WORD)
    return _text(value, LONGEST_WORD)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Refused("is neither true nor false")
    return value


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise _Refused("is not a count")
    return value


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    # Calendars have no room around the years 1 and 9999: a zone's offset would overflow.
    if not isinstance(value, datetime) or value.tzinfo is None or not 1970 <= value.year < 2200:
        raise _Refused("is not a time from 1970 to 2199")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple) or len(value) > MOST_LABELS:
        raise _Refused(f"is not a list of at most {MOST_LABELS} texts")
    texts = (_string(one, LONGEST_WORD) for one in value)
    labels = tuple(one for one in texts if not is_blank(one))
    return value if labels == value else tuple(sorted(set(labels)))


def _reference(value: Any) -> Reference | None:
    if value is None:
        return None
    if not isinstance(value, Reference):
        raise _Refused("is not a reference to a person or team")
    id_, name = _word(value.id), _word(value.name)
    if id_ is None:
        raise _Refused("has no id")
    return value if id_ is value.id and name is value.name else Reference(id_, name)


def _message(value: Any) -> Message | None:
    if value is None:
        return None
    if not isinstance(value, Message) or value.direction not in DIRECTIONS:
        raise _Refused("is not a message")
    text = _text(value.text, LONGEST_TEXT)
    if value.automated is not None:
        _flag(value.automated)
    kind, at, subject = _word(value.type), _time(value.at), _word(value.subject)
    attachments = _labels(value.attachments)
    if (
        text is value.text
        and kind is value.type
        and at is value.at
        and subject is value.subject
        and attachments is value.attachments
    ):
        return value
    return Message(text, value.direction, kind, at, value.automated, subject, attachments)


def _disposition(value: Any) -> Disposition | None:
    if value is None:
        return None
    if not isinstance(value, Disposition):
        raise _Refused("is not a disposition")
    read = Disposition(
        _word(value.id),
        _word(value.label),
        _word(value.outcome),
        _time(value.changed_at),
        _word(value.changed_by),
    )
    if read == value:
        return value
    return None if read == Disposition() else read


class _Room:
    """How much more one attribute may contain."""

    __slots__ = ("parts", "text")

    def __init__(self) -> None:
        self.parts = MOST_PARTS
        self.text = LONGEST_TEXT

    def take(self, parts: int, text: int = 0) -> None:
        self.parts -= parts
        self.text -= text
        if self.parts < 0 or self.text < 0:
            raise _Refused("is too large")


def _attribute(value: Any) -> Any:
    if value is None or value is True or value is False:
        return value
    return _json(value, _Room(), DEEPEST)


def _json(value: Any, room: _Room, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        room.take(0, len(value))
        return _string(value, LONGEST_TEXT)
    if isinstance(value, int):
        if value.bit_length() > 1024:
            raise _Refused("has a number with too many digits")
        return value if value.bit_length() < 64 else str(value)  # beyond SQLite's and JSON's range
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Refused("contains NaN or infinity")
        return value
    if not depth:
        raise _Refused("is nested too deeply")
    if isinstance(value, Mapping):
        room.take(len(value))
        pairs = [(_key(key, room), _json(one, room, depth - 1)) for key, one in value.items()]
        same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
        return value if same and isinstance(value, dict) else dict(pairs)
    if isinstance(value, list | tuple):
        room.take(len(value))
        parts = [_json(one, room, depth - 1) for one in value]
        same = all(a is b for a, b in zip(parts, value, strict=True))
        return value if same and isinstance(value, list) else parts
    raise _Refused("is not JSON")


def _key(key: Any, room: _Room) -> str:
    read = _string(key, LONGEST_WORD)
    room.take(0, len(read))
    return read


_BY_KIND: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _word,
    "flag": _flag,
    "count": _count,
    "time": _time,
    "labels": _labels,
    "reference": _reference,
    "message": _message,
    "disposition": _disposition,
    "json": _attribute,
}

READERS: Mapping[str, Callable[[Any], Any]] = {
    path.name: _BY_KIND[path.kind] for path in PATHS.values() if path.name != ATTRIBUTE
}
"""How the value of each leaf path of `Observation.fields` is read. Any other path is an attribute."""
