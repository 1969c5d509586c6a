"""The reader: one aiosqlite connection that can only read.

Law: opened `mode=ro`, never merely `query_only`, which still checkpoints when it is the last to
close. Every read is one statement and therefore sees all that was committed before it began.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite
import anyio

from watcher.errors import StoreDamaged, StoreError
from watcher.store._schema import BUSY, store_error
from watcher.store.retrying import Retrier

__all__ = ["Reader"]


class Reader:
    """Reads rows; every failure of SQLite's is a StoreError. `damaged` once it met damage."""

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, retrier: Retrier | None = None
    ) -> None:
        self._connection = connection
        self._retrier = retrier
        self.path = path
        self.damaged = False
        self._open = True

    @classmethod
    async def open(cls, path: Path, retrier: Retrier | None = None) -> Reader:
        """Open the file for reading; it must exist, and its path be absolute. With `retrier`,
        what passes is waited for.
        """
        # `as_uri` escapes what a path may hold of `?`, `#` and `%`.
        connection = aiosqlite.connect(
            f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY
        )
        # aiosqlite's thread would keep the interpreter from exiting if nobody closed the
        # connection (omnilib/aiosqlite#369), and it offers no way to say otherwise.
        connection._thread.daemon = True
        with anyio.CancelScope(shield=True):  # a connect that is cut off leaks its thread
            try:
                await connection
                # Type globs mean what they say, as they do in PostgreSQL.
                await connection.execute_fetchall("PRAGMA case_sensitive_like = ON")
            except sqlite3.Error as error:
                raise store_error(path, error) from error
        return cls(connection, path, retrier)

    async def fetch(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement in one hop to the connection's thread and give all its rows."""
        if self._retrier is None:
            return await self._fetch(statement, parameters)
        return await self._retrier.run(lambda _: self._fetch(statement, parameters))

    async def _fetch(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._open:
            raise StoreError(f"the store {self.path} is closed")
        try:
            rows = await self._connection.execute_fetchall(statement, parameters)
        except sqlite3.Error as error:
            found = store_error(self.path, error)
            self.damaged |= isinstance(found, StoreDamaged)
            raise found from error
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        """Close the connection and end its thread; safe to call twice."""
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await self._connection.close()
