"""The budget of a rendering: counted steps, so that every rendering ends, and each time at the same one.

Rules: no clock: what one machine renders, every machine renders. Whatever runs on behalf of a template
charges what it will cost before it runs, and what it made afterwards. A step is about what it takes to
evaluate one name; texts cost by their length, lists by all that is in them.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2.utils import Namespace

from watcher.errors import OVER_BUDGET, WatcherError

__all__ = ["STEPS", "BudgetExceeded", "charge", "counted", "deep", "length", "metered", "shallow"]

STEPS = 300_000
"""Steps of one rendering: what it evaluates, repeats, reads and makes. Far above what a message for
people needs, and a fraction of a second.
"""

PER_STEP = 100
"""Characters that are read or written in a step; bits of a number, likewise."""

DEEPEST = 64
"""Levels of lists within lists. Deeper ones are made by a template alone."""


class BudgetExceeded(WatcherError):
    """A rendering takes more steps than it may."""


class _Meter:
    """Counts down the steps of one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS


_CURRENT: ContextVar[_Meter] = ContextVar("meter")


@contextmanager
def metered() -> Iterator[None]:
    """Meter what runs within it by a budget of its own."""
    token = _CURRENT.set(_Meter())
    try:
        yield
    finally:
        _CURRENT.reset(token)


def charge(steps: int) -> bool:
    """Take steps from the budget, and return true. Raise BudgetExceeded if it has fewer."""
    meter = _CURRENT.get()
    meter.left -= steps
    if meter.left < 0:
        raise BudgetExceeded(f"it takes more than {STEPS:,} {OVER_BUDGET} template")
    return True


def length(characters: int) -> int:
    """Return the steps for a number of characters."""
    return characters // PER_STEP


def shallow(value: Any) -> int:
    """Return the steps for a text, a number, or for a list without what its elements hold."""
    if isinstance(value, str):
        return len(value) // PER_STEP
    if isinstance(value, int):
        return value.bit_length() // PER_STEP
    return len(value) // 8 if isinstance(value, _HELD) else 0


def deep(value: Any) -> int:
    """Return the steps for a value with all that it holds.

    Raise BudgetExceeded when that is more than is left: what a template nests may be without end.
    """
    if not isinstance(value, _NESTED):
        return shallow(value)
    most = _CURRENT.get().left
    total, level, depth = 0, [value], 0
    while level:
        if depth > DEEPEST:
            raise BudgetExceeded(f"lists are nested more than {DEEPEST} deep")
        below: list[Any] = []
        for one in level:
            total += 1 + shallow(one)
            if isinstance(one, _NESTED):
                below.extend(_elements(one))
                if total + len(below) > most:
                    charge(total + len(below))
        level, depth = below, depth + 1
    return total


def counted(values: Iterable[Any]) -> list[Any]:
    """Return the elements of an iterable, each charged before the next is asked for."""
    made = []
    for one in values:
        charge(1)
        made.append(one)
    return made


_HELD = (list, tuple, set, frozenset, range, Mapping, KeysView, ValuesView, ItemsView)
_NESTED = (*_HELD, Namespace)


def _elements(value: Any) -> Iterable[Any]:
    if isinstance(value, Namespace):
        value = value._Namespace__attrs
    if isinstance(value, Mapping):
        return (part for pair in value.items() for part in pair)
    return value if not isinstance(value, range) else ()
