"""Names for people: which one a misspelt name probably meant, and which ones there are.

Rules: pure; knows no names of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "listing", "nearest", "short"]

_SHOWN = 25


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a misspelt name probably meant, None where none comes close."""
    known = list(candidates)
    folded = {one.casefold(): one for one in known}
    if name.casefold() in folded:
        return folded[name.casefold()]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return `did you mean …?; ` for a misspelt name, empty where no allowed one is near."""
    near = nearest(name, allowed)
    return f"did you mean `{near}`?; " if near else ""


def listing(names: Iterable[str]) -> str:
    """List names, as many as a line holds."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def short(text: str) -> str:
    """Return a text in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
