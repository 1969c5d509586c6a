"""The store in one SQLite file: the embedded default.

Law: this file only joins the parts. `_writer` runs the functions of `_transactions`, `_reader`
the statements of `_queries`, `_rows` translates, `_schema` opens and migrates, `_lock` keeps
a second owner away. WAL with `synchronous=FULL`: what was acknowledged survives a power cut.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import anyio.lowlevel

from watcher.errors import StoreError
from watcher.model import Delivery, Event, IdSet, Snapshot
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    HistoryEntry,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    StoredSilence,
    Suppressed,
    ThrottleMark,
)
from watcher.store import _note_queries, _queries, _rows, _transactions
from watcher.store._lock import StoreLock, read_lock
from watcher.store._opening import absolute, copy_to_memory, in_thread, open_file, open_owner
from watcher.store._reader import Reader
from watcher.store._writer import Writer
from watcher.store.retrying import Retrier

__all__ = ["SqliteStore", "copy_to_memory", "read_lock"]

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    """Implements `watcher.store.Store`. Made by `open` (the owner) or `open_reader` (a command)."""

    def __init__(
        self,
        path: Path,
        reader: Reader,
        writer: Writer | None = None,
        lock: StoreLock | None = None,
        retrier: Retrier | None = None,
    ) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._lock = lock
        self._retrier = retrier

    @classmethod
    async def open(
        cls, path: Path | str, owner: str = "daemon", *, retrier: Retrier | None = None
    ) -> SqliteStore:
        """Open the store as its only owner; creates the file and brings its schema up to date.

        `owner` is told to whoever finds the store locked. With `retrier`, what is asked of the
        open store waits for a full disk or a lock instead of failing. Raises StoreLocked, or StoreError with
        a remedy when the path cannot hold a store.
        """
        path = absolute(path)
        with anyio.CancelScope(shield=True):  # never leave a lock or a thread behind
            lock, writer = await in_thread(functools.partial(open_owner, path, owner))
            try:
                reader = await Reader.open(path, retrier)
            except BaseException:
                await in_thread(writer.shutdown)
                lock.release()
                raise
        return cls(path, reader, writer, lock, retrier)

    @classmethod
    async def open_reader(cls, path: Path | str) -> SqliteStore:
        """Open the store for reading only, beside a running owner or without one; every method
        that writes raises StoreError.
        """
        reader = await open_file(absolute(path))
        return cls(reader.path, reader)

    def record_socket(self, socket: Path | str) -> None:
        """Leave word in the lock file where this owner's control socket is (see `read_lock`)."""
        if self._lock is None:
            raise StoreError(f"the store {self.path} is open for reading only")
        self._lock.record_socket(str(socket))

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._reader.close()
            if self._writer is not None:
                await in_thread(self._writer.shutdown)
            if self._lock is not None:
                self._lock.release(orderly=not self._damaged)

    # What is known of sources

    async def source(self, name: str) -> SourceState | None:
        rows = await self._reader.fetch(_queries.SOURCE, (name,))
        return _rows.SOURCE.validate_json(rows[0][0]) if rows else None

    async def sources(self) -> Sequence[SourceState]:
        rows = await self._reader.fetch(_queries.SOURCES)
        return [_rows.SOURCE.validate_json(document) for (document,) in rows]

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        rows = await self._reader.fetch(_queries.KNOWN, (source, _rows.json_list(ids)))
        snapshots = map(_rows.read_snapshot, rows)
        return {snapshot.conversation.id: snapshot for snapshot in snapshots}

    async def present_ids(self, source: str) -> Collection[str]:
        rows = await self._reader.fetch(_queries.PRESENT, (source,))
        return frozenset(id_ for (id_,) in rows)

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        if name not in _queries.MEMBERS:
            raise ValueError(f"a store knows the members 'unread' and 'unassigned', not {name!r}")
        rows = await self._reader.fetch(_queries.MEMBERS[name], (source,))
        return frozenset(id_ for (id_,) in rows)

    # Writing

    async def _write(
        self, transaction: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Have a transaction run, with the retrier where there is one."""
        if self._retrier is None:
            return await self._run(transaction, *args, **kwargs)
        return await self._retrier.run(lambda _: self._run(transaction, *args, **kwargs))

    async def _take(
        self,
        transaction: Callable[Concatenate[Any, str, datetime, timedelta, P], T],
        receiver: str,
        now: datetime,
        lease: timedelta,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Have deliveries claimed as of `now`, with leases that begin when it succeeds.

        Succeeding late, it must neither give leases that are over already nor take again what was
        under way at `now` and could not have its lease renewed meanwhile.
        """
        if self._retrier is None:
            return await self._run(transaction, receiver, now, lease, *args, **kwargs)
        return await self._retrier.run(
            lambda late: self._run(transaction, receiver, now, lease + late, *args, **kwargs),
            claim=True,
        )

    async def _run(
        self, transaction: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Have the writer run a transaction, and wait for its outcome even when cancelled."""
        if self._writer is None:
            raise StoreError(f"the store {self.path} is open for reading only")
        await anyio.lowlevel.checkpoint_if_cancelled()
        job = functools.partial(transaction, self._writer.connection, *args, **kwargs)
        outcome = asyncio.get_running_loop().run_in_executor(self._writer, job)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([outcome])
        return outcome.result()

    @property
    def _damaged(self) -> bool:
        return self._reader.damaged or (self._writer is not None and self._writer.damaged)

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        return await self._write(_transactions.commit, commit)

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        relaxed: bool = False,
        together: bool = False,
    ) -> Sequence[Delivery]:
        return await self._take(_transactions.claim, receiver, now, lease, limit, relaxed, together)

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
        marks: Sequence[ThrottleMark] = (),
    ) -> Sequence[Recorded]:
        return await self._write(_transactions.settle, settlements, receiver, commit, marks)

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        return await self._take(_transactions.collect, receiver, now, lease)

    async def acknowledge(
        self, conversation: str, source: str | None, note: str, now: datetime
    ) -> int:
        return await self._write(_transactions.acknowledge, conversation, source, note, now)

    async def add_silence(self, silence: StoredSilence) -> None:
        await self._write(_transactions.add_silence, silence)

    async def expire_silence(self, silence: str, now: datetime) -> bool:
        return await self._write(_transactions.expire_silence, silence, now)

    async def renew(self, receiver: str, until: datetime) -> None:
        await self._write(_transactions.renew, receiver, until)

    async def unclaim(self, receiver: str | None = None) -> None:
        await self._write(_transactions.unclaim, receiver)

    async def save_receiver(self, state: ReceiverState) -> None:
        await self._write(_transactions.save_receiver, state)

    async def retry(self, ids: Collection[str] | None, now: datetime) -> int:
        return await self._write(_transactions.retry, ids, now)

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        return await self._write(_transactions.retire_unconfigured, receivers, rules, sources, now)

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        await self._write(_transactions.shift_clock, by, after)

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        return await self._write(_transactions.prune, events, deliveries)

    # Reading the log and the outbox

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        later = _queries.NO_TIME if after is None else _rows.micros(after)
        ((due,),) = await self._reader.fetch(_queries.NEXT_DUE, (receiver, later))
        return None if due is None else _rows.from_micros(due)

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        rows = await self._reader.fetch(_queries.SENT_SINCE, (receiver, _rows.micros(since)))
        return [_rows.from_micros(settled) for (settled,) in rows]

    async def receivers(self) -> Mapping[str, ReceiverState]:
        rows = await self._reader.fetch(_queries.RECEIVERS)
        states = [_rows.RECEIVER.validate_json(document) for (document,) in rows]
        return {state.name: state for state in states}

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        rows = await self._reader.fetch(*_queries.events(query))
        return [Recorded(seq, Event.from_body(body)) for seq, body in rows]

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        rows = await self._reader.fetch(*_queries.deliveries(query))
        return [_rows.read_delivery(columns) for _, *columns in rows]

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        rows = await self._reader.fetch(_note_queries.HISTORY, (_rows.json_list(keys),))
        return [_rows.read_entry(columns) for columns in rows]

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        rows = await self._reader.fetch(_note_queries.VERDICTS, (_rows.json_list(events),))
        return {id_: _rows.read_verdicts(packed) for id_, packed in rows}

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        pairs = json.dumps(sorted(set(wanted)))
        rows = await self._reader.fetch(_note_queries.MARKS, (pairs, receiver))
        return {(mark.rule, mark.by): mark for mark in map(_rows.read_mark, rows)}

    async def silences(self) -> Sequence[StoredSilence]:
        return [
            _rows.read_silence(columns)
            for columns in await self._reader.fetch(_note_queries.SILENCES)
        ]

    async def suppressed(self) -> Mapping[str, Suppressed]:
        rows = await self._reader.fetch(_note_queries.SUPPRESSED)
        return {name: Suppressed(count, _rows.from_micros(at)) for name, count, at in rows}

    async def pending(self) -> Mapping[str, int]:
        return dict(await self._reader.fetch(_queries.PENDING))
