"""Cursors: where a list goes on, as a text that only the archive reads.

Rules: pure. A cursor is the place of a row, not its number, so that rows which come or go meanwhile neither
repeat nor skip others; one whose row is gone goes on where it stood.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar

from watcher.records import ConversationPlace

__all__ = [
    "Cursor",
    "CursorError",
    "Page",
    "read_place",
    "read_source",
    "write_place",
    "write_source",
]

T = TypeVar("T")

VERSION = 1
LARGEST_SEQ = 2**62
LONGEST = 4096
"""Characters of a cursor: more than any that was written."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CursorError(ValueError):
    """A text is no cursor of this list."""

    def __init__(self) -> None:
        super().__init__("is no cursor of this list; leave it out to begin anew")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, and where it goes on; None where it does not."""

    items: Sequence[T]
    next: str | None = None
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list whose rows are numbered, and which way it goes on from there."""

    seq: int
    way: Literal["older", "newer"]

    def __str__(self) -> str:
        return _pack([VERSION, self.way, self.seq])

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return what a cursor says; raise CursorError."""
        match _unpack(text):
            case [1, ("older" | "newer") as way, int(seq)] if (
                not isinstance(seq, bool) and 0 <= seq < LARGEST_SEQ
            ):
                return cls(seq, way)
        raise CursorError


def write_place(place: ConversationPlace) -> str:
    """Return the cursor that goes on after a conversation."""
    waiting = (
        None if place.waiting is None else (place.waiting - _EPOCH) // timedelta(microseconds=1)
    )
    return _pack([VERSION, place.source, place.id, waiting, place.words])


def read_place(text: str) -> ConversationPlace:
    """Return the conversation after which a list goes on; raise CursorError."""
    match _unpack(text):
        case [1, str(source), str(id_), None, str(words)]:
            return ConversationPlace(source, id_, None, words)
        case [1, str(source), str(id_), int(waiting), str(words)] if abs(waiting) < 2**53:
            since = _EPOCH + timedelta(microseconds=waiting)
            return ConversationPlace(source, id_, since, words)
    raise CursorError


def write_source(rank: int, name: str) -> str:
    """Return the cursor that goes on after a source, which stands so badly (0: worst)."""
    return _pack([VERSION, rank, name])


def read_source(text: str) -> tuple[int, str]:
    """Return the place after which a list of sources goes on; raise CursorError."""
    match _unpack(text):
        case [1, int(rank), str(name)] if not isinstance(rank, bool):
            return rank, name
    raise CursorError


def _pack(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def _unpack(text: str) -> object:
    if len(text) > LONGEST:
        raise CursorError
    try:
        found = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
        json.dumps(found, ensure_ascii=False).encode()  # no half of a character
    except (ValueError, binascii.Error, RecursionError):
        raise CursorError from None
    return found
