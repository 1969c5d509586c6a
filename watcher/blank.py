"""Which texts are blank: they show a person nothing, so they count as no text at all.

Rules: pure, and imports nothing of the project.
"""

from __future__ import annotations

import unicodedata

__all__ = ["filled", "is_blank"]

_EMPTY_GLYPHS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols by their category that have no ink: fillers and the empty Braille cell."""


def is_blank(text: str) -> bool:
    """Return whether a text has only white space (of any width, zero included) and control characters."""
    first = text[:1]
    # Nearly every text begins like this, and each is asked at every poll.
    return not (first.isascii() and first.isalnum()) and not any(map(_shows, text))


def filled(text: str) -> str | None:
    """Return the text as it is, None if it is blank."""
    return None if is_blank(text) else text


def _shows(letter: str) -> bool:
    if letter.isalnum():
        return letter not in _EMPTY_GLYPHS
    hidden = letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf", "Zs", "Zl", "Zp")
    return not (hidden or letter in _EMPTY_GLYPHS or "\ufe00" <= letter <= "\ufe0f")
