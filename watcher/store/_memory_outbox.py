"""The memory store's outbox: rows by key, found without looking through all of them.

Law: pure bookkeeping. Every order and every answer is that of a look through all rows; only the
time differs, which counts where thousands of events are run again (`backtest`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from watcher.store._outbox import Owed

__all__ = ["Outbox"]

Topic = tuple[str, str | None]
K = TypeVar("K")


class Outbox(Mapping[str, Owed]):
    """Rows in the order in which they entered."""

    def __init__(self) -> None:
        self._rows: dict[str, Owed] = {}
        self._entered = 0
        self._places: dict[str, int] = {}
        self._waiting: dict[str, set[str]] = {}
        self._running: dict[Topic, set[str]] = {}
        self._named: dict[str, set[str]] = {}
        self._sent: dict[str, list[tuple[datetime, str]]] = {}

    def __getitem__(self, key: str) -> Owed:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, owed: Owed) -> None:
        """Write a row; one that is new enters at the end."""
        key = owed.delivery.key
        if key in self._rows:
            self._unlist(self._rows[key])
        else:
            self._entered += 1
            self._places[key] = self._entered
        self._rows[key] = owed
        if owed.waits:
            self._waiting.setdefault(owed.delivery.receiver, set()).add(key)
        if owed.runs:
            self._running.setdefault(owed.topic, set()).add(key)
        for name in _names(owed):
            self._named.setdefault(name, set()).add(key)
        if (at := _delivered(owed)) is not None:
            insort(self._sent.setdefault(owed.delivery.receiver, []), (at, key))

    def remove(self, keys: Collection[str]) -> None:
        """Forget rows."""
        for key in keys:
            self._unlist(self._rows.pop(key))
            del self._places[key]

    def waiting(self, receiver: str) -> Iterable[Owed]:
        """Give a receiver's pending rows."""
        return self._ordered(self._waiting.get(receiver, ()))

    def pending(self) -> Mapping[str, int]:
        """Count the pending rows of each receiver that has any."""
        return {receiver: len(keys) for receiver, keys in sorted(self._waiting.items()) if keys}

    def running(self, topic: Topic) -> Iterable[Owed]:
        """Give the timers about a topic that have not ended."""
        return self._ordered(self._running.get(topic, ()))

    def named(self, name: str) -> Iterable[Owed]:
        """Give the rows of an id, and those that went out with the digest of that id."""
        return self._ordered(self._named.get(name, ()))

    def sent_since(self, receiver: str, since: datetime) -> Iterable[Owed]:
        """Give what was delivered to a receiver since then."""
        sent = self._sent.get(receiver, [])
        return [self._rows[key] for _, key in sent[bisect_left(sent, (since, "")) :]]

    def _ordered(self, keys: Collection[str]) -> Iterable[Owed]:
        return [self._rows[key] for key in sorted(keys, key=self._places.__getitem__)]

    def _unlist(self, owed: Owed) -> None:
        """Take a row out of all lists that it may be in."""
        key = owed.delivery.key
        _discard(self._waiting, owed.delivery.receiver, key)
        _discard(self._running, owed.topic, key)
        for name in _names(owed):
            _discard(self._named, name, key)
        if (at := _delivered(owed)) is not None:
            sent = self._sent[owed.delivery.receiver]
            del sent[bisect_left(sent, (at, key))]


def _names(owed: Owed) -> Iterable[str]:
    return {owed.delivery.id, owed.delivery.message or owed.delivery.id}


def _delivered(owed: Owed) -> datetime | None:
    """Give when a row was delivered; None where it was not."""
    return owed.delivery.settled if owed.delivery.state == "delivered" else None


def _discard(lists: dict[K, set[str]], name: K, key: str) -> None:
    """Take a key out of a list, and let go of the list once it is empty."""
    if (keys := lists.get(name)) is not None:
        keys.discard(key)
        if not keys:
            del lists[name]
