"""Keys for one use: the address that `inbox-watcher open` prints signs its user in.

Rules: kept in memory alone, as digests; each works once, for two minutes. Whoever may open the control socket
gets one; what it opens is an operator's session.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from watcher.clock import Clock
from watcher.records import Actor

__all__ = ["EntryKeys"]

WORKS = timedelta(minutes=2)
MOST = 100


class EntryKeys:
    """The keys that nobody has used yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[bytes, tuple[datetime, str]] = {}

    def make(self, by: Actor) -> str:
        """Return a new key; of too many, the oldest ends."""
        key = secrets.token_urlsafe(32)
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        self._open[_digest(key)] = (self._clock() + WORKS, by.who)
        return key

    def redeem(self, key: str) -> str | None:
        """Return who asked for a key, which works no more; None if it is none, or over."""
        until, who = self._open.pop(_digest(key), (None, ""))
        return who if until is not None and self._clock() < until else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()
