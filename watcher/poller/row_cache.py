"""What a source's session remembers of rows: their fingerprint, and when they were seen.

Rules: an accelerator only. What is forgotten here is read from the store again; nothing is
remembered before its commit went through.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from watcher.model import Observation

__all__ = ["RowCache", "fingerprint"]


def fingerprint(row: Observation) -> int:
    """Return a number for what a row shows; equal rows of one process have equal numbers."""
    shown = sorted(row.fields.items(), key=lambda pair: pair[0])
    return hash((row.message_id, repr(shown), row.evidence, row.activity_at))


class RowCache:
    """Fingerprint and time of the last observation by conversation id."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, datetime]] = {}

    def fresh(self, rows: Iterable[Observation], sent: datetime) -> list[Observation]:
        """Return the rows that show something else than the last time; note the others as seen."""
        changed: list[Observation] = []
        for row in rows:
            print_ = fingerprint(row)
            old = self._rows.get(row.id)
            if old is not None and old[0] == print_:
                self._rows[row.id] = (print_, sent)
            else:
                changed.append(row)
        return changed

    def keep(self, rows: Iterable[Observation], sent: datetime) -> None:
        """Remember rows whose snapshot now equals what they show."""
        for row in rows:
            self._rows[row.id] = (fingerprint(row), sent)

    def see_again(self, ids: Iterable[str], sent: datetime) -> None:
        """Note that rows showed again what they did the last time."""
        for key in ids:
            self._rows[key] = (self._rows[key][0], sent)

    def seen(self, ids: Iterable[str]) -> dict[str, datetime]:
        """Return when each of these conversations was last observed, as far as remembered."""
        return {key: self._rows[key][1] for key in ids if key in self._rows}

    def forget(self, ids: Iterable[str] | None = None) -> None:
        """Forget these conversations, or all of them."""
        if ids is None:
            self._rows.clear()
        else:
            for key in ids:
                self._rows.pop(key, None)
