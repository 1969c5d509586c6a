"""Work over thousands of sources in short turns of the loop, so that nothing else waits for it.

Rules: counts, reads no clock. What is worked on is a copy: sources come and go between two turns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

import anyio.lowlevel

__all__ = ["SLICE", "in_slices"]

SLICE = 500
"""Sources that are looked at in one turn of the loop: some milliseconds."""

T = TypeVar("T")


async def in_slices(items: Iterable[T], size: int = SLICE) -> AsyncIterator[T]:
    """Yield the items; after every so many the loop turns."""
    for number, item in enumerate(tuple(items), 1):
        yield item
        if number % size == 0:
            await anyio.lowlevel.checkpoint()
