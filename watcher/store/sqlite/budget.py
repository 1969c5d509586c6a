"""A step limit for every statement of the writing connection.

Rules: counted in SQLite's own steps, not by a clock, so that a slow disk ends nothing. What exceeds
the limit is ended, logged with its name, and undone; the thread is free for whoever else writes.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from watcher.store.sqlite import queries

__all__ = ["MOST_STEPS", "TICK", "BudgetedConnection"]

MOST_STEPS = 50_000_000
"""A second or two of computing. What the store asks in daily work takes a thousandth of it."""

TICK = 10_000
"""Steps between two looks."""


class BudgetedConnection(sqlite3.Connection):
    """A connection that ends a statement which takes too many steps; without `bound`, it counts none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = 0
        self._statement = ""
        self._ticks = 0
        self.ticked = 0.0
        """When the statement under way last made `TICK` steps (monotonic time), 0 for none."""

    def bound(self, most: int = MOST_STEPS) -> None:
        """End, from now on, every statement after so many steps."""
        self._most = most
        self.set_progress_handler(self._tick, TICK)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._begin(sql)
        return super().executemany(sql, parameters)

    def _begin(self, sql: str) -> None:
        self._statement, self._ticks, self.ticked = sql, 0, 0.0

    def _tick(self) -> bool:
        self._ticks += 1
        self.ticked = time.monotonic()
        return self._ticks * TICK > self._most

    @property
    def statement(self) -> str:
        """The name of the statement that was begun last, or its beginning if it has none."""
        for name, text in vars(queries).items():
            if text is self._statement and name.isupper():
                return name
        return " ".join(self._statement.split())[:60]
