"""The real SQLite store without its threads, and loops that look around less often: for speed.

Law: the same statements in the same transactions on the same file; only who runs them differs.
`--threads` runs a seed with them: slower, and as reproducible.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from watcher import daemon, dispatcher
from watcher.store import _opening, sqlite
from watcher.store._reader import Reader
from watcher.store._schema import store_error
from watcher.store._writer import Writer, _Job

__all__ = ["quick"]


class InlineWriter(Writer):
    """The writer's transactions, run by the caller."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self._path = path
        self._open = True

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job = _Job(lambda: fn(*args, **kwargs), Future())
        self._commit([job])
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._open:
            self._open = False
            self._close()


class InlineReader(Reader):
    """The reader's statements, run by the caller."""

    @classmethod
    async def open(cls, path: Path) -> Reader:
        connection: Any = sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        connection.execute("PRAGMA case_sensitive_like = ON")
        return cls(connection, path)

    async def fetch(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection: Any = self._connection
        try:
            return list(connection.execute(statement, parameters))
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    async def close(self) -> None:
        connection: Any = self._connection
        connection.close()


@contextlib.contextmanager
def quick(*, threads: bool) -> Iterator[None]:
    """No flush to the disk (no power fails here); gauges and idle dispatchers look less often."""
    opened = _opening.open_writer

    def open_writer(*args: Any, **kwargs: Any) -> Any:
        connection = opened(*args, **kwargs)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    replaced: list[tuple[Any, str, Any]] = [
        (_opening, "open_writer", open_writer),
        (daemon, "MEASURE_EVERY", 3600.0),
        (dispatcher, "LONGEST_WAIT", 300.0),
    ]
    if not threads:
        replaced += [
            (_opening, "Writer", InlineWriter),
            (_opening, "Reader", InlineReader),
            (sqlite, "Reader", InlineReader),
        ]
    before = [(where, name, getattr(where, name)) for where, name, _ in replaced]
    for where, name, value in replaced:
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
