"""Sessions: what a browser holds of somebody who has signed in.

Rules: pure; `now` is an argument. A session is a signed text and no row: a restart keeps it. Its key is made
of the store's own and of the token by which somebody signed in, so it ends with that token. Whom it is for
follows from the key that has signed it, and from the configuration of the moment.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from watcher.signing import read_signed, signed

__all__ = ["IDLE", "LONGEST", "Session", "read_session", "session_key", "write_session"]

IDLE, LONGEST = timedelta(hours=12), timedelta(days=7)
"""After which time without a request it ends, and after which time in any case."""

RENEWED_EVERY = timedelta(minutes=5)

_PURPOSE = b"inbox-watcher session 1"


@dataclass(frozen=True, slots=True)
class Session:
    """That somebody has signed in."""

    name: str
    """Who, where that does not follow from a token."""

    began: datetime
    used: datetime
    """When it was last renewed."""

    def ends(self) -> datetime:
        """Return when it ends if nothing more is asked."""
        return min(self.used + IDLE, self.began + LONGEST)

    def renewed(self, now: datetime) -> Session | None:
        """Return it as it goes on; None where that is as good as it is."""
        return replace(self, used=now) if now - self.used >= RENEWED_EVERY else None


def session_key(own: bytes, token: str) -> bytes:
    """Return the key of sessions that a token has begun (empty: a key for one use), from the store's own."""
    salt = hashlib.sha256(token.encode()).digest() if token else b""
    return hmac.new(own, _PURPOSE + b"\n" + salt, hashlib.sha256).digest()


def write_session(session: Session, key: bytes) -> str:
    """Return a session as a browser holds it."""
    said = [session.name, int(session.began.timestamp()), int(session.used.timestamp())]
    return signed(json.dumps(said, separators=(",", ":")).encode(), key, _PURPOSE)


def read_session(text: str, keys: Sequence[bytes], now: datetime) -> tuple[Session, int] | None:
    """Return the session that a browser holds, and which of the keys has signed it; None where it is none,
    or over.
    """
    found = read_signed(text, keys, _PURPOSE)
    if found is None:
        return None
    name, began, used = json.loads(found[0])
    session = Session(name, datetime.fromtimestamp(began, UTC), datetime.fromtimestamp(used, UTC))
    # Also one from the future: the clock was wrong then, or is now.
    return (session, found[1]) if session.used - IDLE <= now < session.ends() else None
