"""The real SQLite store without its threads, and loops that look around less often: for speed.

Rules: the same statements in the same transactions on the same file; only who runs them differs.
`--threads` runs a seed with them: slower, and as reproducible.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import anyio.to_thread

from watcher import daemon
from watcher.daemon import watchdog
from watcher.dispatcher import claims
from watcher.store import sqlite
from watcher.store.sqlite import connections
from watcher.store.sqlite.connections import Job, Writer

__all__ = ["quick"]


class InlineWriter(Writer):
    """The writer's transactions, run by the caller."""

    def _run(self) -> None:
        """Leave the thread with nothing to do."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job = Job(lambda: fn(*args, **kwargs), Future())
        self._commit([job])
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._open:
            self._open = False
            self._close()


class InlineConnection:
    """In place of aiosqlite's connection: the caller runs the statements."""

    _thread = SimpleNamespace()

    def __init__(self, database: str, **options: Any) -> None:
        self._connection = sqlite3.connect(database, **options)

    def __await__(self) -> Iterator[Any]:
        return self
        yield

    async def execute_fetchall(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    async def create_function(self, *function: Any, **how: Any) -> None:
        self._connection.create_function(*function, **how)

    async def close(self) -> None:
        self._connection.close()


async def inline(function: Callable[..., Any], *args: Any, **_how: Any) -> Any:
    """In place of a thread: the caller runs it."""
    return function(*args)


@contextlib.contextmanager
def quick(*, threads: bool) -> Iterator[None]:
    """No flush to the disk (no power fails here); gauges and idle dispatchers look less often; and the
    garbage of a run, which is short-lived, is looked for less often.
    """
    opened = sqlite.open_writer

    def open_writer(*args: Any, **kwargs: Any) -> Any:
        connection = opened(*args, **kwargs)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    replaced: list[tuple[Any, str, Any]] = [
        (sqlite, "open_writer", open_writer),
        (daemon, "MEASURE_EVERY", 3600.0),
        (claims, "LONGEST_WAIT", 300.0),
        (watchdog, "LOOK_EVERY", 3600.0),
    ]
    if not threads:
        replaced += [
            (anyio.to_thread, "run_sync", inline),
            (sqlite, "Writer", InlineWriter),
            (connections, "aiosqlite", SimpleNamespace(connect=InlineConnection)),
        ]
    before = [(where, name, getattr(where, name)) for where, name, _ in replaced]
    for where, name, value in replaced:
        setattr(where, name, value)
    collecting = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*collecting)
        for where, name, value in before:
            setattr(where, name, value)
