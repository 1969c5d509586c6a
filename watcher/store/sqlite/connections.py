"""The two connections to the file: one that writes, with a thread of its own, and one that reads.

Rules: nothing else writes or checkpoints. SQLite up to 3.51.2 can corrupt a WAL that two connections
write or checkpoint at once (sqlite.org/wal.html, "The WAL-reset bug"). Every read is one statement
and therefore sees everything committed before it began.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiosqlite
import anyio
import anyio.lowlevel
import anyio.to_thread

from watcher.errors import StoreDamaged, StoreError
from watcher.store.retrying import Retrier
from watcher.store.sqlite.budget import TICK, BudgetedConnection
from watcher.store.sqlite.packing import unpack_text
from watcher.store.sqlite.place import WRITE
from watcher.store.sqlite.schema import BUSY, store_error

__all__ = ["Job", "Reader", "Writer"]

P = ParamSpec("P")
T = TypeVar("T")

LATELY = 10.0
"""Seconds: a statement, or a queue, that has not moved for longer waits for the disk."""

MIB = 1024 * 1024

GROUP_LIMIT = 256
"""The largest number of jobs that share a commit."""


@dataclass(slots=True)
class Job:
    """A transaction that waits for the writer's thread."""

    work: Callable[[], Any]
    """Does it."""

    future: Future[Any]
    """Learns the outcome once the group is committed."""

    alone: bool = False
    """Whether it runs in no transaction, after those of its group."""

    result: Any = None
    error: BaseException | None = None

    def report(self) -> None:
        """Pass the outcome to the caller that waits for it."""
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer(Executor):
    """The thread that owns the only writing connection; its jobs are whole transactions.

    What waits when the thread is free runs together, each job in a savepoint of its own, and is
    committed once: a flush to the disk costs the same for one job as for many. An outcome is
    reported only after that commit. A job that raises undoes itself alone, one that is cancelled
    before its turn never runs.
    """

    def __init__(self, connection: BudgetedConnection, path: Path) -> None:
        self.connection = connection
        self.damaged = False
        """Whether a job met a damaged page."""
        self._path = path
        import structlog  # of those who open a store only its owner logs

        self._log = structlog.get_logger()
        self._moved = time.monotonic()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._open = True
        self._door = threading.Lock()
        # A daemon thread, so that a store left open does not keep the interpreter from exiting;
        # whatever was acknowledged is on disk by then.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def run(
        self,
        transaction: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a transaction and return its result; wait for the outcome even when cancelled."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        job = functools.partial(transaction, self.connection, *args, **kwargs)
        outcome = asyncio.get_running_loop().run_in_executor(self, job)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([outcome])
        return outcome.result()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a transaction; raise StoreError once the writer is shut down."""
        future: Future[T] = Future()
        with self._door:
            if not self._open:
                raise StoreError(f"the store {self._path} is closed")
            self._jobs.put(Job(lambda: fn(*args, **kwargs), future, alone=fn == self._cut))
        return future

    async def empty_wal(self) -> None:
        """Have everything moved into the file and the WAL cut to nothing, and wait for it; what a reader
        still looks at stays until the next time.
        """
        outcome = asyncio.get_running_loop().run_in_executor(self, self._cut)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([outcome])
        outcome.result()

    def _cut(self) -> None:
        try:
            self.connection.execute("PRAGMA busy_timeout = 0")  # nobody else waits for a reader
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            self._log.debug("the WAL stays as it is", reason=str(error))
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {round(BUSY * 1000)}")

    def where(self) -> str:
        """Return what the thread is at, for whoever waits long: only where no statement of its own
        computes and no job has ended lately, it is the disk.
        """
        now = time.monotonic()
        if now - self.connection.ticked < LATELY:
            return f"a statement of the store's own runs: {self.connection.statement}"
        if now - self._moved < LATELY:
            return f"{self._jobs.qsize()} transactions wait for their turn"
        return "the disk does not answer"

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
            if together := [job for job in group if not job.alone]:
                self._commit(together)
            for job in group:
                if job.alone:
                    job.work()
                    job.report()
        self._close()

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for a job and return it with what else waits, and whether there will be more."""
        group: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                group.append(job)
            if len(group) == GROUP_LIMIT:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[Job]) -> None:
        """Run a group in one transaction, then report every outcome."""
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
            job.report()
        self._moved = time.monotonic()

    def _attempt(self, job: Job) -> None:
        """Run one job in its savepoint; raise only what undoes the whole group."""
        self.connection.execute("SAVEPOINT job")
        try:
            job.result = job.work()
        except BaseException as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                error.statement = self.connection.statement  # type: ignore[attr-defined] # for people
                self._log.error(
                    "a statement of the store is ended", statement=self.connection.statement
                )
            job.error = (
                store_error(self._path, error) if isinstance(error, sqlite3.Error) else error
            )
            # Where SQLite has undone the whole group by itself (a full disk, for example), there
            # is no savepoint to return to: every job of the group fails for the same cause.
            if isinstance(error, sqlite3.Error) and not self.connection.in_transaction:
                raise
            self.connection.execute("ROLLBACK TO job")
        self.connection.execute("RELEASE job")

    def _roll_back(self) -> None:
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has lost the file; the next BEGIN fails and reports it.
            return

    def _close(self) -> None:
        """Move the WAL into the file, unless a reader is in the way, and close."""
        try:
            self.connection.execute("PRAGMA busy_timeout = 0")
            # Of a file that was moved away the WAL stays as it is: it belongs to that file, should it be put
            # back, and keeps the next owner from beginning anew in silence.
            if self._path.exists():
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            # Nothing is lost: the next process to open the store finds the commits in the WAL.
            pass
        finally:
            self.connection.close()


class Reader:
    """A connection that can only read: opened `mode=ro`, never merely `query_only`, which still
    checkpoints when it is the last to close. Every failure of SQLite's is a StoreError.
    """

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, retrier: Retrier | None = None
    ) -> None:
        self._connection = connection
        self._retrier = retrier
        self.path = path
        self.damaged = False
        """Whether a read met a damaged page."""
        self._ticks = 0
        self._open = True

    @classmethod
    async def open(cls, path: Path, retrier: Retrier | None = None) -> Reader:
        """Open an existing file by its absolute path. With `retrier`, reads wait for failures that
        pass by themselves.
        """
        # `as_uri` escapes any `?`, `#` and `%` in the path.
        connection = aiosqlite.connect(
            f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY
        )
        # aiosqlite's thread would keep the interpreter from exiting if the connection were left
        # open (omnilib/aiosqlite#369), and there is no public way to change that.
        connection._thread.daemon = True
        with anyio.CancelScope(shield=True):  # a connect that is interrupted leaks its thread
            try:
                await connection
                await connection.create_function("unpacked", 1, unpack_text, deterministic=True)
                # Type globs are case-sensitive, as in PostgreSQL.
                await connection.execute_fetchall("PRAGMA case_sensitive_like = ON")
                if retrier is not None:  # the daemon's: later there may be no descriptor for a file
                    await connection.execute_fetchall("PRAGMA temp_store = MEMORY")
                    await connection.execute_fetchall("PRAGMA schema_version")  # opens the WAL
            except sqlite3.Error as error:
                raise store_error(path, error) from error
        return cls(connection, path, retrier)

    async def fetch(
        self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run one statement in one hop to the connection's thread and return all its rows."""
        if self._retrier is None:
            return await self._fetch(statement, parameters)
        return await self._retrier.run(lambda _late: self._fetch(statement, parameters))

    async def _fetch(
        self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        if not self._open:
            raise StoreError(f"the store {self.path} is closed")
        self._ticks = 0
        try:
            found = await self._connection.execute_fetchall(statement, parameters)
        except sqlite3.Error as error:
            failure = store_error(self.path, error)
            self.damaged |= isinstance(failure, StoreDamaged)
            raise failure from error
        return [tuple(row) for row in found]

    async def bound(self, most: int) -> None:
        """End, from now on, every statement after so many steps: whoever asks anything may ask too much."""

        def tick() -> bool:
            self._ticks += 1
            return self._ticks * TICK > most

        await self._connection.set_progress_handler(tick, TICK)

    async def copy(self, to: Path) -> None:
        """Write everything, as it is at one moment, to a new file; raise StoreError."""
        room, size = await anyio.to_thread.run_sync(self._sizes, to)
        if room < size:
            raise StoreError(
                f"there is no room for a copy of the store in {to.parent}: it takes"
                f" {size // MIB:,} MiB of {room // MIB:,}; set TMPDIR to a folder with more"
            )
        try:
            os.close(os.open(to, WRITE, 0o600))
            async with aiosqlite.connect(to) as copy:
                await self._connection.backup(copy)
        except (OSError, sqlite3.Error) as error:
            raise store_error(self.path, error) from error

    def _sizes(self, to: Path) -> tuple[int, int]:
        """Return the free bytes where a copy is to be, and how many it may take."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        size = sum(file.stat().st_size for file in files if file.exists())
        return shutil.disk_usage(to.parent).free, size

    async def close(self) -> None:
        """Close the connection and end its thread; safe to call twice."""
        if self._open:
            self._open = False
            with anyio.CancelScope(shield=True):
                await self._connection.close()
