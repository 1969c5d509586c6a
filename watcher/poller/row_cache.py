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
    # What is equal in Python need not be so in JSON (1, 1.0 and true), and -1 and -2 share a hash.
    shown = frozenset(
        (path, repr(value) if path.startswith("attributes.") else value)
        for path, value in row.fields.items()
    )
    return hash((row.message_id, shown, row.evidence, row.activity_at))


class RowCache:
    """Fingerprint and time of the last observation by conversation id."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, datetime]] = {}
        self._prints: dict[str, tuple[Observation, int]] = {}  # of the rows that were fresh last

    def fresh(self, rows: Iterable[Observation], sent: datetime) -> list[Observation]:
        """Return the rows that show something else than the last time; note the others as seen."""
        changed: list[Observation] = []
        self._prints.clear()
        for row in rows:
            print_ = fingerprint(row)
            old = self._rows.get(row.id)
            if old is not None and old[0] == print_:
                self._rows[row.id] = (print_, sent)
            else:
                changed.append(row)
                self._prints[row.id] = (row, print_)
        return changed

    def keep(self, rows: Iterable[Observation], sent: datetime) -> None:
        """Remember rows whose snapshot now equals what they show."""
        for row in rows:
            known = self._prints.get(row.id)
            print_ = known[1] if known is not None and known[0] is row else fingerprint(row)
            self._rows[row.id] = (print_, sent)
        self._prints.clear()

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
