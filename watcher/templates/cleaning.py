"""Cleaning: what a stranger's text loses in every format, since no reader can see it.

Law: pure, total, and done twice it does nothing the second time. Control characters, bidirectional
overrides and invisible characters go; letters, marks, symbols and emoji stay. Line breaks of every
kind become `\\n`.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["clean", "clean_line"]

MOST_MARKS = 6
"""Combining marks in a row; what is stacked higher covers other lines."""

_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
"""Signs of Arabic and Syriac that Unicode counts as format characters and that are seen."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff9\ufffa\ufffb\ufffc")
"""Fillers and the like: letters by their class, and invisible."""

_JOINERS = frozenset("\u200c\u200d")
"""Persian and Indic scripts and emoji need them; between ASCII letters they only hide."""


def clean(text: str) -> str:
    """Take out what cannot be seen, and unify line breaks."""
    text = _BREAKS.sub("\n", text)
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= MOST_MARKS and (replaced := _kept(char)):
            kept.append(replaced)
    return _without_stray_joiners(kept)


def clean_line(text: str) -> str:
    """Clean, and make one line of it."""
    return " ".join(clean(text).split())


def _kept(char: str) -> str:
    if char in "\n\t" or char in _JOINERS or char in _VISIBLE_FORMAT:
        return char
    match unicodedata.category(char):
        case "Cs":
            return "\N{REPLACEMENT CHARACTER}"
        case "Cc" | "Cf" | "Cn":
            return ""
    point = ord(char)
    return "" if char in _BLANK or 0xE0100 <= point <= 0xE01EF else char


def _without_stray_joiners(chars: list[str]) -> str:
    """Keep a joiner only between two characters that it can join."""
    kept: list[str] = []
    for index, char in enumerate(chars):
        if char in _JOINERS:
            after = chars[index + 1] if index + 1 < len(chars) else ""
            if not (kept and _joins(kept[-1]) and _joins(after)):
                continue
        kept.append(char)
    return "".join(kept)


def _joins(char: str) -> bool:
    return bool(char) and not char.isascii() and char not in _JOINERS and not char.isspace()
