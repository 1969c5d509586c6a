"""Texts that remember which of their parts the template's author wrote.

Rules: what is not known to be the author's counts as a stranger's. `Text` is a `str`; an operation that
it does not define returns an ordinary `str`, all of which counts as a stranger's. A text is shortened in
its values alone: an author's markup stays whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Self

__all__ = [
    "CUT",
    "URL",
    "Format",
    "Keep",
    "Part",
    "Text",
    "capture",
    "joined",
    "mark",
    "parts_of",
    "shortened",
    "unmarked",
]

Format = Literal["text", "markdown", "html"]
"""What a template's author wrote in."""

Keep = Literal["short", "optional", "whole"]
"""What becomes of a part where there is too little room: it is shortened, is left out, or stays."""

CUT = "… (cut)"
"""Ends a text of which the rest was left out."""

URL = re.compile(r"https?://[A-Za-z0-9./?=%#:+,;@&!_~*-]+", re.IGNORECASE)


class Part(NamedTuple):
    """A piece of text."""

    text: str

    own: bool
    """Whether the template's author wrote it: then it is markup, and stays whole."""

    keep: Keep = "short"
    """What becomes of a part that is not the author's."""


_OPEN, _CLOSE = "\x02", "\x03"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")


class Text(str):
    """A text for people; its `parts` separate the author's words from inserted values."""

    parts: tuple[Part, ...]

    def __new__(cls, parts: Iterable[Part | tuple[str, bool]] = ()) -> Self:
        """Join parts. Neighbours of the same origin become one."""
        merged: list[Part] = []
        alike: list[str] = []  # the texts of the last part, joined when the next one differs
        origin: tuple[bool, Keep] | None = None
        for one in parts:
            text, own, *rest = one
            if not text:
                continue
            found = (own, rest[0] if rest else "short")
            if found != origin:
                if origin is not None:
                    merged.append(Part("".join(alike), *origin))
                alike, origin = [], found
            alike.append(text)
        if origin is not None:
            merged.append(Part("".join(alike), *origin))
        made = super().__new__(cls, "".join(part.text for part in merged))
        made.parts = tuple(merged)
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Part, ...]]]:
        """Return how to make it again in another process."""
        return type(self), (self.parts,)

    def trimmed(self) -> Self:
        """Return the text without white space around it."""
        start = len(self) - len(self.lstrip())
        if start == 0 and len(self.rstrip()) == len(self):
            return self
        return self._slice(start, max(start, len(self.rstrip())))

    def line(self, most: int) -> Self:
        """Return the text as one line of at most `most` characters."""
        parts: list[Part] = []
        space = True  # nothing yet, or a space at the end
        for part in self.parts:
            flat = re.sub(r"\s+", " ", part.text)
            flat = flat[1:] if space and flat.startswith(" ") else flat
            parts.append(part._replace(text=flat))
            space = flat.endswith(" ") if flat else space
        return type(self)(parts).trimmed().cut(most, "…")

    def sound(self) -> Self:
        """Return the text without lone surrogates, which cannot be sent to any receiver."""
        try:
            self.encode()
        except UnicodeEncodeError:
            return self._each(lambda text: text.encode(errors="replace").decode())
        return self

    def cut(self, most: int, note: str) -> Self:
        """Return at most `most` characters; a text that was cut ends with `note`."""
        whole = self.sound()
        if len(whole) <= most:
            return whole
        kept = whole._slice(0, len(str(whole)[: most - len(note)].rstrip()))
        return type(self)((*kept.parts, Part(note, False, "whole")))

    def capped(self, most: int) -> Self:
        """Return the text with no value longer than `most` characters; addresses stay whole."""
        return type(self)(
            part
            if part.own or part.keep != "short" or URL.fullmatch(part.text.strip())
            else part._replace(text=shortened(part.text, most))
            for part in self.parts
        )

    def required(self) -> Self:
        """Return the text without its optional parts."""
        return type(self)(part for part in self.parts if part.keep != "optional").trimmed()

    def longest(self) -> int:
        """Return the length of the longest part that `capped` would shorten."""
        return max(
            (len(part.text) for part in self.parts if not part.own and part.keep == "short"),
            default=0,
        )

    def lines(self) -> Iterator[Self]:
        """Split into lines with their ends. A value's line breaks end none."""
        line: list[Part] = []
        for part in self.parts:
            if not part.own and part.keep == "short":
                line.append(part)
                continue
            *ended, rest = part.text.split("\n")
            for text in ended:
                yield type(self)((*line, part._replace(text=text + "\n")))
                line = []
            line.append(part._replace(text=rest))
        if last := type(self)(line):
            yield last

    def _each(self, change: Callable[[str], str]) -> Self:
        return type(self)(part._replace(text=change(part.text)) for part in self.parts)

    def _slice(self, start: int, end: int) -> Self:
        parts: list[Part] = []
        at = 0
        for part in self.parts:
            kept = part.text[max(0, start - at) : max(0, end - at)]
            parts.append(part._replace(text=kept))
            at += len(part.text)
        return type(self)(parts)


def shortened(text: str, most: int) -> str:
    """Return at most `most` characters of a text; one that was cut ends with a mark.

    It is not cut within what a reader sees as one sign, nor within an address, which would lead
    elsewhere; and at the end of a word, where one is near.
    """
    if len(text) <= most:
        return text
    end = max(0, most - len(CUT))
    for url in URL.finditer(text, 0, end + _LONGEST_URL):
        if url.start() < end < url.end():
            end = url.start()
    while 0 < end < len(text) and _one_sign(text, end):
        end -= 1
    word = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    if not text[end].isspace() and 0 < end - word <= _NEAR and word > 0:
        end = word
    return text[:end].rstrip() + CUT if len(CUT) <= most else "…"[:most]


_LONGEST_URL = 2_000
_NEAR = 15


def _one_sign(text: str, at: int) -> bool:
    """Return whether the characters on both sides of a position make up one sign."""
    before, after = text[at - 1], text[at]
    if _is_flag(before) and _is_flag(after):
        start = at
        while start and _is_flag(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 1
    return (
        "\u200d" in (before, after)
        or unicodedata.category(after)[0] == "M"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the shades of a skin
        or "\U000e0020" <= after <= "\U000e007f"  # the letters of a region's flag
    )


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def parts_of(text: str) -> tuple[Part, ...]:
    """Return the parts of a text; an ordinary `str` is one part, a stranger's."""
    return text.parts if isinstance(text, Text) else (Part(text, False),)


def joined(*texts: str) -> Text:
    """Concatenate texts. Each keeps its origin, which `+` and f-strings lose."""
    return Text(part for text in texts for part in parts_of(text))


def unmarked(text: str) -> str:
    """Return the text without the characters that mark values while a template runs."""
    return _MARKS.sub("", text)


def mark(value: Any) -> str:
    """Return a value for a running template's output, marked as a stranger's."""
    if isinstance(value, Text):  # what a macro or a `set` block gave: its marks are known
        return "".join(part.text if part.own else _marked(part.text) for part in value.parts)
    return _marked(str(value))


def _marked(text: str) -> str:
    text = unmarked(text)
    return f"{_OPEN}{text}{_CLOSE}" if text else ""


def capture(output: Iterable[str]) -> Text:
    """Return the text that a template, or a part of one, has written."""
    pieces = re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE}?)", "".join(output))
    return Text(Part(unmarked(piece), not piece.startswith(_OPEN)) for piece in pieces)
