"""The ids that a sweep has seen: how many, and which of others are not among them.

Rules: what was seen cannot be listed again, so that nothing of an id but its hash is kept: 12 to 24 bytes,
where a set of ids takes a hundred. Hundreds of first sweeps may be under way at once, and together see
millions of conversations. That two ids of a source share a hash is as unlikely as in a table of rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Set

from watcher.poller.row_cache import key_of

__all__ = ["SeenIds"]

SMALLEST = 64
"""Places of a table that has no ids yet; a power of two, like every size."""


class SeenIds(Set[str]):
    """An open table of hashes; nothing is ever taken out of it alone."""

    __slots__ = ("_count", "_keys")

    def __init__(self) -> None:
        self.clear()

    @classmethod
    def _from_iterable(cls, it: Iterable[str]) -> frozenset[str]:  # type: ignore[override]  # what is left of others
        return frozenset(it)

    def update(self, ids: Iterable[str]) -> None:
        """Add ids."""
        for id_ in ids:
            if 3 * self._count >= 2 * len(self._keys):
                self._grow()
            self._add(key_of(id_))

    def clear(self) -> None:
        """Begin anew."""
        self._keys = array("q", bytes(8 * SMALLEST))
        self._count = 0

    def __contains__(self, id_: object) -> bool:
        key = key_of(id_) if isinstance(id_, str) else 0
        return key != 0 and self._keys[self._place(key)] == key

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        raise TypeError("ids that were seen are not kept")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Set) or len(self) != len(other):
            return False
        return all(id_ in self for id_ in other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def _place(self, key: int) -> int:
        """Return where a hash stands, or the empty place where it would."""
        keys = self._keys
        last = len(keys) - 1
        place = key & last
        while (found := keys[place]) and found != key:
            place = (place + 1) & last
        return place

    def _add(self, key: int) -> None:
        place = self._place(key)
        if not self._keys[place]:
            self._keys[place] = key
            self._count += 1

    def _grow(self) -> None:
        former = self._keys
        self._keys, self._count = array("q", bytes(16 * len(former))), 0
        for key in former:
            if key:
                self._add(key)
