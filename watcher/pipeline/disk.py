"""How much of the store's disk is kept free, and who may write while little is left.

Rules: pure. What grows is stopped before the disk is full, so that what hardly grows is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from watcher.records import Space

__all__ = ["Reserve", "is_low", "may_write"]

GIB = 2**30

COSTS = 2
"""What is written costs its own size in the file, and as much again in the log of writes."""

SHARE, LEAST = 100, 2**18
"""A source goes on while little is left if it has lately written no more than this part of the reserve, or
than this many bytes.
"""


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is kept free: so many bytes, or a share of the disk that is at most `most` bytes."""

    size: int | None = None
    share: float = 0.05
    most: int | None = GIB

    def of(self, total: int) -> int:
        """Return the bytes to keep free of a disk of this size."""
        if self.size is not None:
            return self.size
        part = int(total * self.share)
        return part if self.most is None else min(part, self.most)


def is_low(space: Space, reserve: Reserve, *, was_low: bool, wanted: int) -> bool:
    """Return whether little is left. Once it is, a quarter more than the reserve must be free, and room for
    the largest answer that was refused: else the two would alternate.
    """
    least = reserve.of(space.total)
    return space.free < (max(least + least // 4, least + COSTS * wanted) if was_low else least)


def may_write(space: Space, reserve: Reserve, wrote: float, size: int, *, ahead: int = 0) -> bool:
    """Return whether a source that lately `wrote` so many bytes may write `size` more; `ahead` are those that
    others may write and that `space` does not show yet.
    """
    least = reserve.of(space.total)
    return space.free - COSTS * (ahead + size) >= least or wrote + size <= max(
        least // SHARE, LEAST
    )
