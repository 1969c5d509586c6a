"""What a source's session remembers of rows: their fingerprint, and when they were seen.

Rules: an accelerator only. What is forgotten here is read from the store again; nothing is
remembered before its commit went through.

A conversation takes 24 bytes in a table that is between a third and two thirds full: 40 to 70 bytes, where a
dictionary of ids takes two hundred. For a million of them that is the memory of a small machine.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from watcher.model import Observation

__all__ = ["RowCache", "fingerprint", "key_of"]


def fingerprint(row: Observation) -> int:
    """Return a number for what a row shows; equal rows of one process have equal numbers."""
    # What is equal in Python need not be so in JSON (1, 1.0 and true), and -1 and -2 share a hash.
    shown = frozenset(
        (path, repr(value) if path.startswith("attributes.") else value)
        for path, value in row.fields.items()
    )
    return hash((row.message_id, shown, row.evidence, row.activity_at))


def key_of(id_: str) -> int:
    """Return what stands for an id in a table of rows, as long as the process runs."""
    return hash(id_) or ZERO


class RowCache:
    """Fingerprint and time of the last observation by conversation id.

    An open table of three columns. An id stands in it as its hash: that two of a source share one, and look
    alike, is as unlikely as that two rows of a conversation share a fingerprint.
    """

    __slots__ = ("_free", "_keys", "_prints", "_prints_of", "_times")

    def __init__(self) -> None:
        self._prints_of: dict[str, tuple[Observation, int]] = {}  # of the rows that were fresh last
        self._empty(SMALLEST)

    def _empty(self, size: int) -> None:
        self._keys = array("q", bytes(8 * size))
        self._prints = array("q", bytes(8 * size))
        self._times = array("q", bytes(8 * size))
        self._free = size * 2 // 3

    def fresh(self, rows: Iterable[Observation], sent: datetime) -> list[Observation]:
        """Return the rows that show something else than the last time; note the others as seen."""
        changed: list[Observation] = []
        at = _micros(sent)
        self._prints_of.clear()
        for row in rows:
            print_ = fingerprint(row)
            place = self._find(row.id)
            if place >= 0 and self._prints[place] == print_:
                self._times[place] = at
            else:
                changed.append(row)
                self._prints_of[row.id] = (row, print_)
        return changed

    def keep(self, rows: Iterable[Observation], sent: datetime) -> None:
        """Remember rows whose snapshot now equals what they show."""
        at = _micros(sent)
        for row in rows:
            known = self._prints_of.get(row.id)
            print_ = known[1] if known is not None and known[0] is row else fingerprint(row)
            place = self._find(row.id)
            if place < 0:
                place = self._add(key_of(row.id))
            self._prints[place], self._times[place] = print_, at
        self._prints_of.clear()

    def see_again(self, keys: Iterable[int], sent: datetime) -> None:
        """Note that rows showed again what they did the last time; for `keys` see `key_of`."""
        at, times = _micros(sent), self._times
        for key in keys:
            place = self._place(key)
            if place >= 0:
                times[place] = at

    def seen(self, ids: Iterable[str]) -> dict[str, datetime]:
        """Return when each of these conversations was last observed, as far as remembered."""
        places = ((key, self._find(key)) for key in ids)
        return {
            key: _EPOCH + timedelta(microseconds=self._times[place])
            for key, place in places
            if place >= 0
        }

    def forget(self, ids: Iterable[str] | None = None) -> None:
        """Forget these conversations, or all of them."""
        if ids is None:
            self._empty(SMALLEST)
            return
        for key in ids:
            place = self._find(key)
            if place >= 0:
                self._keys[place] = GONE

    def _find(self, id_: str) -> int:
        """Return where a conversation stands, -1 if it does not."""
        return self._place(key_of(id_))

    def _place(self, key: int) -> int:
        keys = self._keys
        last = len(keys) - 1
        place = key & last
        while (found := keys[place]) != key:
            if not found:
                return -1
            place = (place + 1) & last
        return place

    def _add(self, key: int) -> int:
        """Return a place for a conversation that stands nowhere."""
        if not self._free:
            self._grow()
        keys = self._keys
        last = len(keys) - 1
        place = key & last
        while keys[place]:
            place = (place + 1) & last
        keys[place] = key
        self._free -= 1
        return place

    def _grow(self) -> None:
        """Make room, without what was forgotten."""
        former = self._keys, self._prints, self._times
        count = sum(1 for key in self._keys if key and key != GONE)
        size = SMALLEST
        while size * 2 // 3 < 2 * count:
            size *= 2
        self._empty(size)
        for key, print_, at in zip(*former, strict=True):
            if key and key != GONE:
                place = self._add(key)
                self._prints[place], self._times[place] = print_, at


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


SMALLEST = 8
"""Rows of a table that has none yet; a power of two, like every size."""

ZERO = 1
"""What stands for a hash of 0, which means that there is none."""

GONE = -1
"""What stands where a row was forgotten: no hash in Python is -1."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
