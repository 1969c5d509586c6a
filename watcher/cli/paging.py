"""What a command goes through and prints some at a time, however much there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

__all__ = ["EVENTS", "LINES", "in_pages"]

T = TypeVar("T")

EVENTS, LINES = 100, 1000
"""How many events or conversations, and how many lines of a table, are in memory at a time."""


async def in_pages(each: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """Yield what an iterator yields in lists of up to `size`, none of them empty."""
    page: list[T] = []
    async for one in each:
        page.append(one)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
