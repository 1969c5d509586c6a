"""Names for people: which one was meant, and which ones there are.

Law: pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from watcher.vocabulary import nearest

__all__ = ["listing", "meant", "short"]

_SHOWN = 25


def meant(name: str, allowed: Iterable[str]) -> str:
    """Give `did you mean …?; ` for a misspelt name, empty where none is near."""
    near = nearest(name, allowed)
    return f"did you mean `{near}`?; " if near else ""


def listing(names: Iterable[str]) -> str:
    """List names, as many as a line holds."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def short(text: str) -> str:
    """Show a text in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
