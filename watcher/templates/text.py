"""Texts that remember which of their parts the template's author wrote.

Rules: what is not known to be the author's counts as a stranger's. `Text` is a `str`; an operation that
it does not define returns an ordinary `str`, all of which counts as a stranger's.
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
    """A text for people; its `parts` separate the author's words from inserted values."""

    parts: tuple[Part, ...]

    def __new__(cls, parts: Iterable[Part] = ()) -> Self:
        """Join parts. Neighbours of the same origin become one."""
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
        """Return the text without white space around it."""
        start = len(self) - len(self.lstrip())
        return self._slice(start, max(start, len(self.rstrip())))

    def line(self, most: int) -> Self:
        """Return the text as one line of at most `most` characters."""
        parts: list[Part] = []
        space = True  # nothing yet, or a space at the end
        for text, own in self.parts:
            flat = re.sub(r"\s+", " ", text)
            flat = flat[1:] if space and flat.startswith(" ") else flat
            parts.append((flat, own))
            space = flat.endswith(" ") if flat else space
        return type(self)(parts).trimmed().cut(most, "…")

    def cut(self, most: int, note: str) -> Self:
        """Return at most `most` characters; a text that was cut ends with `note`.

        Lone surrogates are replaced, because they cannot be sent to any receiver.
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
    """Return the parts of a text; an ordinary `str` is one part, a stranger's."""
    return text.parts if isinstance(text, Text) else ((text, False),)


def joined(*texts: str) -> Text:
    """Concatenate texts. Each keeps its origin, which `+` and f-strings lose."""
    return Text(part for text in texts for part in parts_of(text))


def unmarked(text: str) -> str:
    """Return the text without the characters that mark values while a template runs."""
    return _MARKS.sub("", text)


def mark(value: Any) -> str:
    """Return a value for a running template's output, marked as a stranger's."""
    if isinstance(value, Text):  # what a macro or a `set` block gave: its marks are known
        return "".join(text if own else _marked(text) for text, own in value.parts)
    return _marked(str(value))


def _marked(text: str) -> str:
    text = unmarked(text)
    return f"{_OPEN}{text}{_CLOSE}" if text else ""


def capture(output: Iterable[str]) -> Text:
    """Return the text that a template, or a part of one, has written."""
    pieces = re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE}?)", "".join(output))
    return Text((unmarked(piece), not piece.startswith(_OPEN)) for piece in pieces)
