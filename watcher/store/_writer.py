"""The writer: one thread that owns the only writing connection and groups what waits.

Law: nothing else writes or checkpoints. SQLite up to 3.51.2 can corrupt a WAL that two
connections write or checkpoint at once (sqlite.org/wal.html, "The WAL-reset bug").

Each job is a whole transaction. What waits when the thread is free is run together, each job in a
savepoint of its own, and committed once: a flush to disk costs the same for one job as for many.
A job's outcome is told only after that commit. A job that raises undoes itself alone.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from watcher.errors import StoreDamaged, StoreError
from watcher.store._schema import store_error

__all__ = ["Writer"]

P = ParamSpec("P")
T = TypeVar("T")

_GROUP = 256
"""How many jobs share a commit at most."""


@dataclass(slots=True)
class _Job:
    """What is to be done, who is to be told, and what there will be to tell."""

    work: Callable[[], Any]
    future: Future[Any]
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer(Executor):
    """An executor whose jobs are transactions on `connection`; `loop.run_in_executor` awaits them.

    A job that is cancelled before its turn never runs; one that runs is committed whole. `damaged`
    once a job met a page that is none.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.damaged = False
        self._path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._open = True
        self._door = threading.Lock()
        # A daemon thread, so that a store that nobody closed does not keep the interpreter from
        # exiting; whatever was acknowledged is on disk by then.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a transaction; raises StoreError once the writer is shut down."""
        future: Future[T] = Future()
        with self._door:
            if not self._open:
                raise StoreError(f"the store {self._path} is closed")
            self._jobs.put(_Job(lambda: fn(*args, **kwargs), future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Finish what was queued and close the connection; safe to call twice."""
        with self._door:
            if self._open:
                self._open = False
                self._jobs.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._take()
            if group:
                self._commit(group)
        self._close()

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job and take along what else waits; False once there will be no more."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                group.append(job)
            if len(group) == _GROUP:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        """Run a group in one transaction, then tell everybody what came of it."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for job in group:
                self._attempt(job)
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            for job in group:
                job.error = job.error or store_error(self._path, error)
            self._roll_back()
        for job in group:
            self.damaged |= isinstance(job.error, StoreDamaged)
            job.tell()

    def _attempt(self, job: _Job) -> None:
        """Run one job in its savepoint; raises only what undoes the whole group."""
        self.connection.execute("SAVEPOINT job")
        try:
            job.result = job.work()
        except BaseException as error:
            job.error = (
                store_error(self._path, error) if isinstance(error, sqlite3.Error) else error
            )
            # Not possible where SQLite has undone the whole group by itself (a full disk, say):
            # then nobody in it may be told of success, and everybody of the same cause.
            if isinstance(error, sqlite3.Error) and not self.connection.in_transaction:
                raise
            self.connection.execute("ROLLBACK TO job")
        self.connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has lost the file; the next BEGIN fails and says so to its caller.
            return

    def _close(self) -> None:
        """Move the WAL into the file, unless a reader is in the way, and close."""
        try:
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            # Nothing is lost: whoever opens the store next finds the commits in the WAL.
            pass
        finally:
            self.connection.close()
