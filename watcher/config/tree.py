"""A configuration file as a tree that remembers where everything stands.

Rules: values only; what reads files or knows a setting is elsewhere. Places count lines and
columns from 1, columns in characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from watcher.errors import Problem

__all__ = ["Entries", "Entry", "Items", "Node", "Place", "Scalar"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file as the user named it, line and column."""

    file: str
    line: int
    column: int

    def problem(self, message: str, remedy: str = "") -> Problem:
        """Return the problem that stands here."""
        return Problem(self.file, self.line, self.column, message, remedy)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One text, number, truth value or nothing.

    `value` is what YAML 1.2 makes of it, `raw` the text without quotes and escapes, `written`
    the characters in the file (quotes, block indicator and escapes included) from `place` on.
    `weight` is the size that an alias to it adds to the document.
    """

    place: Place
    value: str | int | float | bool | None
    raw: str
    written: str
    style: Literal["", "'", '"', "|", ">"]

    @property
    def weight(self) -> int:
        """Its characters, and one for itself."""
        return len(self.raw) + 1

    @property
    def kind(self) -> str:
        """Name its type for people."""
        match self.value:
            case None:
                return "nothing"
            case bool():
                return "true or false"
            case int() | float():
                return "a number"
            case _:
                return "text"

    def at(self, offset: int) -> Place:
        """Find the place of the character at `offset` of `raw` in the file.

        Folding and indentation only move white space about, so the n-th visible character of
        the text is the n-th visible one of what is written. An offset at white space, or behind
        the end, has the place right after the visible character before it.
        """
        before = sum(not char.isspace() for char in self.raw[:offset])
        on_visible = offset < len(self.raw) and not self.raw[offset].isspace()
        position = 0
        for count, (start, end) in enumerate(_visible(self.written, self.style)):
            if on_visible and count == before:
                position = start
                break
            if count < before:
                position = end
        passed = self.written[:position]
        newlines = passed.count("\n")
        if not newlines:
            return Place(self.place.file, self.place.line, self.place.column + len(passed))
        column = len(passed) - passed.rfind("\n")
        return Place(self.place.file, self.place.line + newlines, column)


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list."""

    place: Place
    items: tuple[Node, ...]
    weight: int
    kind: str = "a list"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A key with its value."""

    key: Scalar
    value: Node

    @property
    def name(self) -> str:
        """The key as text, whatever YAML would make of it."""
        return self.key.raw


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """A mapping; no key is there twice."""

    place: Place
    entries: tuple[Entry, ...]
    weight: int
    kind: str = "a mapping"

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def get(self, name: str) -> Entry | None:
        """Return the entry of this name."""
        return next((entry for entry in self.entries if entry.name == name), None)


Node = Scalar | Items | Entries

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_ESCAPE = re.compile(r"\\(?:x..|u.{4}|U.{8}|\r?\n|.)")
_WHITE_ESCAPES = frozenset(["\\n", "\\r", "\\t", "\\v", "\\f", "\\ ", "\\\t", "\\_", "\\N"])


def _visible(written: str, style: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each visible character of a scalar as written."""
    match = _PROPERTIES.match(written)
    position = match.end() if match else 0
    end = len(written)
    if style in ("|", ">"):
        newline = written.find("\n", position)
        position = end if newline < 0 else newline + 1
    elif style:
        position, end = position + 1, end - 1
    while position < end:
        step = 1
        visible = not written[position].isspace()
        if style == "'" and written[position] == "'":
            step = 2
        elif style == '"' and written[position] == "\\":
            escape = _ESCAPE.match(written, position)
            token = escape.group() if escape else "\\"
            step = len(token)
            visible = not (token in _WHITE_ESCAPES or token.endswith("\n"))
        if visible:
            yield position, position + step
        position += step
