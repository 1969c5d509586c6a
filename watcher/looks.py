"""The last looks at a source: when, of which kind, and how they ended; a few hundred bytes each source.

Rules: pure. The oldest makes room for the newest; nothing of it outlives the process.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import Any, Literal

from watcher.model import rfc3339

__all__ = ["MOST_LOOKS", "Ended", "Looks"]

MOST_LOOKS = 60

Ended = Literal["ok", "incomplete", "failed"]
"""How a look ended: a sweep that could not read everything is incomplete."""

_KINDS: tuple[Literal["poll", "sweep"], ...] = ("poll", "sweep")
_ENDED: tuple[Ended, ...] = ("ok", "incomplete", "failed")


class Looks:
    """The last looks at one source."""

    __slots__ = ("_at", "_what")

    def __init__(self) -> None:
        self._at = array("I")  # seconds since 1970, until 2106
        self._what = bytearray()

    def note(self, at: datetime, kind: Literal["poll", "sweep"], ended: Ended) -> None:
        """Note a look."""
        self._at.append(int(at.timestamp()))
        self._what.append(_KINDS.index(kind) * len(_ENDED) + _ENDED.index(ended))
        del self._at[:-MOST_LOOKS], self._what[:-MOST_LOOKS]

    def to_plain(self) -> list[dict[str, Any]]:
        """Return them as plain JSON, the oldest first."""
        return [
            {
                "at": rfc3339(datetime.fromtimestamp(at, UTC)),
                "kind": _KINDS[what // len(_ENDED)],
                "ended": _ENDED[what % len(_ENDED)],
            }
            for at, what in zip(self._at, self._what, strict=True)
        ]
