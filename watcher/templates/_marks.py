"""Texts that remember which of their parts the template's author wrote.

Law: whatever is not known to be the author's counts as a stranger's. `Text` is an ordinary text;
any operation that it does not know itself gives an ordinary `str`, all of it a stranger's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

__all__ = ["Part", "Text", "capture", "joined", "mark", "parts_of", "unmarked"]

Part = tuple[str, bool]
"""A piece of text, and whether the template's author wrote it."""

_OPEN, _CLOSE = "\x02", "\x03"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")


class Text(str):
    """A text for people; `parts` tell the author's words from inserted values."""

    parts: tuple[Part, ...]

    def __new__(cls, parts: Iterable[Part] = ()) -> Self:
        """Join parts; neighbours of the same origin become one."""
        merged: list[Part] = []
        for text, own in parts:
            if merged and merged[-1][1] == own:
                merged[-1] = (merged[-1][0] + text, own)
            elif text:
                merged.append((text, own))
        made = super().__new__(cls, "".join(text for text, _ in merged))
        made.parts = tuple(merged)
        return made

    def trimmed(self) -> Self:
        """Give the text without white space around it."""
        start = len(self) - len(self.lstrip())
        return self._slice(start, max(start, len(self.rstrip())))

    def line(self, most: int) -> Self:
        """Make one line, at most so many characters long."""
        parts: list[Part] = []
        space = True  # nothing yet, or a space at the end
        for text, own in self.parts:
            flat = re.sub(r"\s+", " ", text)
            flat = flat[1:] if space and flat.startswith(" ") else flat
            parts.append((flat, own))
            space = flat.endswith(" ") if flat else space
        return type(self)(parts).trimmed().cut(most, "…")

    def cut(self, most: int, note: str) -> Self:
        """Cut at so many characters; `note` stands at the end of what was cut. Lone surrogates,
        which no receiver can be sent, are replaced.
        """
        whole = type(self)(
            (text.encode(errors="replace").decode(), own) for text, own in self.parts
        )
        if len(whole) <= most:
            return whole
        kept = whole._slice(0, len(str(whole)[: most - len(note)].rstrip()))
        return type(self)((*kept.parts, (note, False)))

    def _slice(self, start: int, end: int) -> Self:
        parts: list[Part] = []
        at = 0
        for text, own in self.parts:
            parts.append((text[max(0, start - at) : max(0, end - at)], own))
            at += len(text)
        return type(self)(parts)


def parts_of(text: str) -> tuple[Part, ...]:
    """Give the parts of a text; an ordinary one is a stranger's."""
    return text.parts if isinstance(text, Text) else ((text, False),)


def joined(*texts: str) -> Text:
    """Put texts one after the other; each keeps its origin, which `+` and f-strings lose."""
    return Text(part for text in texts for part in parts_of(text))


def unmarked(text: str) -> str:
    """Take out the characters that mark values while a template runs."""
    return _MARKS.sub("", text)


def mark(value: Any) -> str:
    """Write a value into a running template's output, marked as a stranger's."""
    if isinstance(value, Text):  # what a macro or a `set` block gave: its marks are known
        return "".join(text if own else _marked(text) for text, own in value.parts)
    return _marked(str(value))


def _marked(text: str) -> str:
    text = unmarked(text)
    return f"{_OPEN}{text}{_CLOSE}" if text else ""


def capture(output: Iterable[str]) -> Text:
    """Read what a template or a part of one has written."""
    pieces = re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE}?)", "".join(output))
    return Text((unmarked(piece), not piece.startswith(_OPEN)) for piece in pieces)
