"""The store in one SQLite file: the embedded default.

Rules: this file only joins the parts. `connections` runs the functions of `transactions` and the
statements of `queries`, `rows` translates, `schema` opens and migrates, `lock` keeps a second owner
away. WAL with `synchronous=FULL`: what was acknowledged survives a power cut. Whatever fails when a
store is opened is a StoreError with a remedy and leaves no lock, thread or connection behind.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from watcher.errors import StoreError
from watcher.model import Delivery, Doubt, Event, IdSet, Snapshot
from watcher.records import (
    Acknowledgement,
    Action,
    Attention,
    Backlog,
    Commit,
    ConversationQuery,
    DeliveryQuery,
    Done,
    Entered,
    EventQuery,
    HistoryEntry,
    IdKind,
    Queue,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    Space,
    StoredSilence,
    Suppressed,
    Tally,
    TallyQuery,
    ThrottleMark,
)
from watcher.store.border import Scrub, commit_without, receiver_without, settlement_without
from watcher.store.retrying import Retrier
from watcher.store.sqlite import place, queries, rows, transactions
from watcher.store.sqlite.connections import Reader, Writer
from watcher.store.sqlite.lock import StoreLock, read_lock
from watcher.store.sqlite.schema import APPLICATION_ID, check_version, migrations, open_writer
from watcher.store.tallies import begun, hours_of

__all__ = ["SqliteStore", "copy_into", "read_lock"]

P = ParamSpec("P")
T = TypeVar("T")

BATCH, BREATH = 500, 0.02
"""How many rows a transaction changes that is about all of them, and the seconds after which the next one
follows: whoever else writes waits no longer than for one batch.
"""

FREED, SPARE = 256, 500
"""How many pages of the file are given back at a time, and how many stay free for what comes next."""

PAGE = 100
"""How many rows with their texts (events, deliveries, conversations) are in memory at a time where all are
gone through.
"""

COPY = "store.db"
"""The name of a copy in its folder."""

ATTEMPTS, PAUSE = 30, 0.1
"""How often, and how many seconds apart, a reader looks whether the owner has created the store."""


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
        self.scrub: Scrub = str
        self._reader = reader
        self._writer = writer
        self._lock = lock
        self._retrier = retrier
        self._files = place.identities(path)
        self._key: bytes | None = None

    @classmethod
    async def open(
        cls,
        path: Path | str,
        owner: str = "daemon",
        *,
        retrier: Retrier | None = None,
        durable: bool = True,
    ) -> SqliteStore:
        """Open the store as its only owner; create the file and bring its schema up to date.

        `owner` is reported to other processes that find the store locked. With `retrier`, calls
        wait for a full disk or a lock instead of failing. Without `durable`, what is written is safe
        only as long as the machine runs. Raises StoreLocked, or StoreError with a remedy when the
        path cannot hold a store.
        """
        path = _absolute(path)
        with anyio.CancelScope(shield=True):  # never leave a lock or a thread behind
            lock, writer = await _in_thread(functools.partial(_open_owner, path, owner, durable))
            try:
                reader = await Reader.open(path, retrier)
            except BaseException:
                await _in_thread(writer.shutdown)
                lock.release()
                raise
        if retrier is not None:
            retrier.where = writer.where
        return cls(path, reader, writer, lock, retrier)

    @classmethod
    async def open_reader(cls, path: Path | str, *, steps: int | None = None) -> SqliteStore:
        """Open the store for reading only, with or without a running owner; every method that
        writes raises StoreError. With `steps`, a statement that takes more of them is ended
        (StatementEnded).
        """
        reader = await _open_file(_absolute(path))
        if steps is not None:
            await reader.bound(steps)
        return cls(reader.path, reader)

    def record_socket(self, socket: Path | str) -> None:
        """Record in the lock file where this owner's control socket is (see `read_lock`)."""
        if self._lock is None:
            raise StoreError(f"the store {self.path} is open for reading only")
        self._lock.record_socket(str(socket))

    async def lost(self) -> str:
        if gone := await _in_thread(functools.partial(place.gone, self._files)):
            return gone
        try:
            ((pages,),) = await self._reader.fetch("PRAGMA page_count")
            ((size,),) = await self._reader.fetch("PRAGMA page_size")
        except StoreError:
            return ""  # that proves nothing, and whoever needs the store meets it too
        return await _in_thread(functools.partial(place.cut, self.path, pages * size))

    async def space(self) -> Space | None:
        try:
            return await _in_thread(functools.partial(_space, self.path))
        except OSError:
            return None  # whoever needs the store meets it too

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._reader.close()
            if self._writer is not None:
                await _in_thread(self._writer.shutdown)
            if self._lock is not None:
                damaged = self._reader.damaged or (self._writer and self._writer.damaged)
                self._lock.release(orderly=not damaged)

    async def _write(
        self,
        transaction: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        writer = self._owned()
        if self._retrier is None:
            return await writer.run(transaction, *args, **kwargs)
        return await self._retrier.run(
            lambda _late: writer.run(transaction, *args, **kwargs), writes=True
        )

    async def _write_each(
        self,
        transaction: Callable[Concatenate[sqlite3.Connection, Sequence[T], P], int],
        found: Sequence[T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> int:
        """Change rows a batch at a time, with a pause for whoever else writes; return how many."""
        changed = 0
        for start in range(0, len(found), BATCH):
            if start:
                await anyio.sleep(BREATH)
            batch = found[start : start + BATCH]
            changed += await self._write(transaction, batch, *args, **kwargs)
        return changed

    async def _take(
        self,
        transaction: Callable[Concatenate[sqlite3.Connection, str, datetime, timedelta, P], T],
        receiver: str,
        now: datetime,
        lease: timedelta,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Claim deliveries as of `now`, with leases that begin when the claim succeeds.

        A claim that succeeds late must neither return leases that are over already, nor take again
        what was under way at `now` and could not have its lease renewed meanwhile.
        """
        writer = self._owned()
        if self._retrier is None:
            return await writer.run(transaction, receiver, now, lease, *args, **kwargs)
        return await self._retrier.run(
            lambda late: writer.run(transaction, receiver, now, lease + late, *args, **kwargs),
            claim=True,
        )

    def _owned(self) -> Writer:
        if self._writer is None:
            raise StoreError(f"the store {self.path} is open for reading only")
        return self._writer

    # Sources and conversations

    async def key(self) -> bytes:
        if self._key is None:  # each source asks for it, and it never changes
            if found := await self._reader.fetch(queries.INSTALLATION, (transactions.KEY,)):
                self._key = bytes(found[0][0])
            else:
                self._key = await self._write(transactions.key, secrets.token_bytes(32))
        return self._key

    async def link_keys(self) -> tuple[bytes, ...]:
        if found := await self._reader.fetch(queries.INSTALLATION, (transactions.LINK_KEYS,)):
            return transactions.parted(found[0][0])
        if self._writer is None:  # who only reads has made no link
            return ()
        return await self._write(transactions.link_keys, secrets.token_bytes(32))

    async def renew_link_key(self, action: Action, *, keep: bool) -> None:
        await self._write(transactions.renew_link_key, secrets.token_bytes(32), keep, action)

    async def source(self, name: str) -> SourceState | None:
        found = await self._reader.fetch(queries.SOURCE, (name,))
        return rows.SOURCE.adapter.validate_json(found[0][0]) if found else None

    async def sources(self) -> Sequence[SourceState]:
        found = await self._reader.fetch(queries.SOURCES)
        return [rows.SOURCE.adapter.validate_json(document) for (document,) in found]

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        found = await self._reader.fetch(queries.KNOWN, (source, rows.json_list(ids)))
        snapshots = map(rows.read_snapshot, found)
        return {snapshot.conversation.id: snapshot for snapshot in snapshots}

    async def size(self, source: str) -> int:
        found = await self._reader.fetch(queries.SIZE, (source,))
        return int(found[0][0]) if found else 0

    async def present_ids(self, source: str) -> Collection[str]:
        found = await self._reader.fetch(queries.PRESENT_IDS, (source,))
        return frozenset(id_ for (id_,) in found)

    async def doubts(self, source: str) -> Mapping[str, Doubt]:
        found = await self._reader.fetch(queries.DOUBTS, (source,))
        return {id_: rows.read_doubt(doubt) for id_, doubt in found}

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        if name not in queries.IDS_IN_SET:
            raise ValueError(f"there is no id set {name!r}; there are 'unread' and 'unassigned'")
        found = await self._reader.fetch(queries.IDS_IN_SET[name], (source,))
        return frozenset(id_ for (id_,) in found)

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        return await self._write(transactions.commit, commit_without(commit, self.scrub))

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        together: bool = False,
    ) -> Sequence[Delivery]:
        return await self._take(transactions.claim, receiver, now, lease, limit, together)

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
        marks: Sequence[ThrottleMark] = (),
    ) -> Sequence[Recorded]:
        settlements = [settlement_without(one, self.scrub) for one in settlements]
        receiver = None if receiver is None else receiver_without(receiver, self.scrub)
        commit = None if commit is None else commit_without(commit, self.scrub)
        return await self._write(transactions.settle, settlements, receiver, commit, marks)

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        return await self._take(transactions.collect, receiver, now, lease)

    async def acknowledge(self, source: str, conversation: str, note: str, action: Action) -> int:
        return await self._write(transactions.acknowledge, source, conversation, note, action)

    async def take_back(self, source: str, conversation: str, action: Action) -> bool:
        return await self._write(transactions.take_back, source, conversation, action)

    async def add_silence(self, silence: StoredSilence, action: Action | None = None) -> None:
        await self._write(transactions.add_silence, silence, action)

    async def expire_silence(
        self, silence: str, now: datetime, action: Action | None = None
    ) -> bool:
        return await self._write(transactions.expire_silence, silence, now, action)

    async def begin(self, keys: Collection[str]) -> None:
        await self._write(transactions.begin, keys)

    def writing(self, key: str) -> None:
        if self._lock is not None:
            self._lock.mark(key)

    async def renew(self, receiver: str, until: datetime) -> None:
        await self._write(transactions.renew, receiver, until)

    async def unclaim(self, receiver: str | None = None) -> None:
        if receiver is None and self._lock is not None and (key := self._lock.marked()):
            await self._write(transactions.fatal, key)
            self._lock.mark("")
        await self._write(transactions.unclaim, receiver)

    async def save_receiver(self, state: ReceiverState, action: Action | None = None) -> None:
        await self._write(transactions.save_receiver, receiver_without(state, self.scrub), action)

    async def retry(
        self, ids: Collection[str] | None, now: datetime, action: Action | None = None
    ) -> int:
        self._owned()
        if ids is not None:
            return await self._retry_each(transactions.retry, sorted(ids), now, action)
        dead = [seq for (seq,) in await self._reader.fetch(queries.DEAD)]
        return await self._retry_each(transactions.retry_dead, dead, now, action)

    async def _retry_each(
        self,
        transaction: Callable[[sqlite3.Connection, Sequence[T], datetime, Action | None], int],
        found: Sequence[T],
        now: datetime,
        action: Action | None,
    ) -> int:
        """Send again a batch at a time; the action is on record with the first that has an effect."""
        changed = 0
        for start in range(0, len(found), BATCH):
            if start:
                await anyio.sleep(BREATH)
            batch = found[start : start + BATCH]
            changed += await self._write(transaction, batch, now, None if changed else action)
        return changed

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        self._owned()
        kept = frozenset(receivers), frozenset(rules), frozenset(sources)
        names = zip(("receivers", "rules", "sources"), map(rows.json_list, kept), strict=True)
        found = [seq for (seq,) in await self._reader.fetch(queries.UNCONFIGURED, dict(names))]
        return await self._write_each(transactions.retire_unconfigured, found, *kept, now)

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        await self._write(transactions.shift_clock, by, after)

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        self._owned()
        removed, before = 0, {"before": rows.micros(deliveries), "limit": BATCH}
        while old := await self._reader.fetch(queries.OLD_DELIVERIES, before):
            gone = await self._write(transactions.prune_deliveries, [seq for (seq,) in old], before)
            removed += gone
            if not gone:
                break
            await anyio.sleep(BREATH)
        removed += await self._prune_events(events)
        await self._write(transactions.prune_marks, deliveries)
        await self._write(transactions.prune_tallies, events)
        await self._forget_gone(events)
        await self._shrink()
        await self._owned().empty_wal()
        return removed

    async def keep_texts(self, keep: bool, attributes: Mapping[str, Mapping[str, bool]]) -> bool:
        self._owned()
        done = bool(await self._reader.fetch(queries.INSTALLATION, (transactions.NO_TEXTS,)))
        overwrites = not (keep or done)
        if overwrites:
            key = await self.key()
            for table in transactions.HOLDING_TEXTS:
                place: int | None = queries.NO_TIME
                while place is not None:
                    place = await self._write(transactions.withhold, table, place, key, attributes)
            await self._shrink()
        if keep is done:
            await self._write(transactions.decide_texts, keep)
        if overwrites:
            await self._owned().empty_wal()  # no page stays there as it was before
        return overwrites

    async def _prune_events(self, before: datetime) -> int:
        """Remove old events; those that a delivery still carries stay and are passed over."""
        removed, time, seq = 0, queries.NO_TIME, 0
        limits = {"before": rows.micros(before), "limit": BATCH}
        while old := await self._reader.fetch(
            queries.OLD_EVENTS, {**limits, "time": time, "seq": seq}
        ):
            time, seq, _ = old[-1]
            if free := [one for _, one, carried in old if not carried]:
                removed += await self._write(transactions.prune_events, free)
            await anyio.sleep(BREATH)
        return removed

    async def _forget_gone(self, before: datetime) -> None:
        """Forget conversations that were removed before then, some at a time."""
        more = True
        while more:
            more = await self._write(transactions.forget_gone, before, BATCH) > 0
            await anyio.sleep(BREATH)

    async def _shrink(self) -> None:
        """Return free pages of the file to the disk, some at a time."""
        more = True
        while more:
            more = await self._write(transactions.shrink, FREED, SPARE)
            await anyio.sleep(BREATH)

    # Reading the log and the outbox

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        later = queries.NO_TIME if after is None else rows.micros(after)
        ((due,),) = await self._reader.fetch(queries.NEXT_DUE, (receiver, later))
        return None if due is None else rows.from_micros(due)

    async def ready(self, receiver: str, now: datetime) -> bool:
        parameters = {"receiver": receiver, "now": rows.micros(now)}
        ((ready,),) = await self._reader.fetch(queries.READY, parameters)
        return bool(ready)

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        parameters = {"receiver": receiver, "since": rows.micros(since)}
        found = await self._reader.fetch(queries.SENT_SINCE, parameters)
        return [rows.from_micros(settled) for (settled,) in found]

    async def receivers(self) -> Mapping[str, ReceiverState]:
        found = await self._reader.fetch(queries.RECEIVERS)
        states = [rows.RECEIVER.adapter.validate_json(document) for (document,) in found]
        return {state.name: state for state in states}

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        if query.types_alone:
            found = await self._reader.fetch(queries.TYPES, {"first": ""})
            if not (types := [type_ for (type_,) in found if query.fits(type_)]):
                return []
            asked = queries.one_by_one(query, types)
        else:
            listing = queries.events(query)
            asked = listing.oldest(query.limit) if query.oldest else listing.newest(query.limit)
        found = await self._reader.fetch(*asked)
        return [Recorded(seq, Event.from_body(body)) for seq, body in found]

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        return [one.delivery for one in await self.entered(query)]

    async def entered(self, query: DeliveryQuery) -> Sequence[Entered]:
        listing = queries.deliveries(query)
        asked = listing.oldest(query.limit) if query.oldest else listing.newest(query.limit)
        found = await self._reader.fetch(*asked)
        return [Entered(seq, rows.read_delivery(columns)) for seq, *columns in found]

    async def each_event(self, query: EventQuery) -> AsyncIterator[Recorded]:
        async for seq, body in self._each(queries.events(query), query.limit, PAGE):
            yield Recorded(seq, Event.from_body(body))

    async def each_delivery(self, query: DeliveryQuery) -> AsyncIterator[Delivery]:
        async for _, *columns in self._each(queries.deliveries(query), query.limit, PAGE):
            yield rows.read_delivery(columns)

    async def each_key(self, query: DeliveryQuery) -> AsyncIterator[str]:
        listing = queries.deliveries(query, "d.key")
        async for _, key in self._each(listing, query.limit, BATCH):
            yield key

    async def _each(
        self, listing: queries.Listing, limit: int, page: int
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Yield the newest `limit` rows of a listing, oldest first, reading `page` rows at a time."""
        if limit <= 0:
            return
        first = await self._reader.fetch(*listing.first(limit))
        last = first[0][0] - 1 if first else queries.NO_TIME
        while limit and (found := await self._reader.fetch(*listing.after(last, min(page, limit)))):
            for row in found:
                yield row
            last, limit = found[-1][0], limit - len(found)

    async def each_conversation(
        self, query: ConversationQuery
    ) -> AsyncIterator[tuple[str, Snapshot]]:
        left = query.limit
        for part in queries.parts_of(query):
            after = () if query.after is None else queries.place_in(part, query.after)
            while after is not None and left > 0:
                some = dataclasses.replace(query, limit=min(left, PAGE))
                found = await self._reader.fetch(*queries.conversations(some, part, after))
                for row in found:
                    place = len(row) - queries.SNAPSHOT_COLUMNS
                    after, columns = row[:place], row[place:]
                    yield after[-2], rows.read_snapshot(columns)
                left -= len(found)
                if len(found) < some.limit:
                    break

    async def ids(self, kind: IdKind, prefix: str, limit: int) -> Sequence[str]:
        found: set[str] = set()
        for statement in queries.IDS[kind]:
            # No character comes after the last one of Unicode.
            bounds = {"first": prefix, "end": prefix + chr(0x10FFFF), "limit": limit}
            found.update(id_ for (id_,) in await self._reader.fetch(statement, bounds))
        return sorted(found)[: max(limit, 0)]

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        found = await self._reader.fetch(queries.HISTORY, (rows.json_list(keys),))
        return [rows.read_entry(columns) for columns in found]

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        found = await self._reader.fetch(queries.VERDICTS, (rows.json_list(events),))
        return {id_: rows.read_verdicts(packed) for id_, packed in found}

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        pairs = json.dumps(sorted(set(wanted)))
        found = await self._reader.fetch(queries.MARKS, (pairs, receiver))
        return {(mark.rule, mark.by): mark for mark in map(rows.read_mark, found)}

    async def acknowledgements(self) -> Sequence[Acknowledgement]:
        found = await self._reader.fetch(queries.ACKNOWLEDGEMENTS)
        return [rows.read_acknowledgement(columns) for columns in found]

    async def actions(self, *, before: int | None = None, limit: int = 50) -> Sequence[Done]:
        place = -queries.NO_TIME if before is None else before
        found = await self._reader.fetch(queries.ACTIONS, (place, max(limit, 0)))
        return [rows.read_done(columns) for columns in found]

    async def tallies(self, query: TallyQuery) -> Sequence[Tally]:
        span = hours_of(query.since, query.until)
        names = rows.json_list(query.names)
        asked = {"kind": query.kind, "since": span[0], "until": span[1], "names": names}
        asked["limit"] = max(query.limit, 0)
        found = await self._reader.fetch(queries.TALLIES[query.step], asked)
        return [Tally(begun(hour), name, what, count) for hour, name, what, count in found]

    async def silences(self) -> Sequence[StoredSilence]:
        return [
            rows.read_silence(columns) for columns in await self._reader.fetch(queries.SILENCES)
        ]

    async def suppressed(self) -> Mapping[str, Suppressed]:
        found = await self._reader.fetch(queries.SUPPRESSED)
        return {name: Suppressed(count, rows.from_micros(at)) for name, count, at in found}

    async def pending(self) -> Mapping[str, int]:
        return dict(await self._reader.fetch(queries.PENDING))

    async def queues(self, now: datetime) -> Mapping[str, Queue]:
        found = await self._reader.fetch(queries.QUEUES, {"now": rows.micros(now)})
        return {receiver: Queue(*counts) for receiver, *counts in found}

    async def backlog(self, now: datetime) -> Sequence[Backlog]:
        found = await self._reader.fetch(queries.BACKLOG, {"now": rows.micros(now)})
        return [
            Backlog(receiver, reason, number, rows.from_micros(due))
            for receiver, reason, number, due in found
        ]

    async def attention(self) -> Mapping[str, Attention]:
        unread = dict(await self._reader.fetch(queries.UNREAD_COUNTS))
        waits = dict(await self._reader.fetch(queries.LONGEST_WAITS))
        return {
            source: Attention(
                unread.get(source, 0), rows.from_micros(waits[source]) if source in waits else None
            )
            for source in sorted(unread.keys() | waits.keys())
        }

    async def extent(self) -> Mapping[str, int]:
        ((events, deliveries),) = await self._reader.fetch(queries.EXTENT)
        return {"events": events, "deliveries": deliveries}

    async def dead(self, *, since: datetime | None = None) -> Mapping[str, int]:
        if since is None:
            return dict(await self._reader.fetch(queries.DEAD_COUNTS))
        return dict(await self._reader.fetch(queries.DIED_SINCE, (rows.micros(since),)))


async def copy_into(path: Path | str, folder: Path) -> SqliteStore:
    """Return a store of its own in `folder`: a copy of one as it is at one moment, with or without a
    running owner; a store that does not exist yet is an empty one.
    """
    path, copy = _absolute(path), folder / COPY
    if await anyio.Path(path).exists():
        reader = await _open_file(path)
        try:
            await reader.copy(copy)
        finally:
            await reader.close()
    return await SqliteStore.open(copy, "copy", durable=False)


def _space(path: Path) -> Space:
    disk = os.statvfs(path.parent)
    files = {"main": path, "wal": path.with_name(f"{path.name}-wal")}
    used = {name: one.stat().st_size if one.exists() else 0 for name, one in files.items()}
    return Space(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, used)


def _absolute(path: Path | str) -> Path:
    return Path(path).absolute()


def _open_owner(path: Path, owner: str, durable: bool) -> tuple[StoreLock, Writer]:
    """Acquire the lock, then open the writing connection; runs in a thread."""
    if not path.parent.is_dir():
        raise StoreError(f"the directory {path.parent} does not exist; create it or change `store`")
    lock = StoreLock.acquire(path, owner)
    try:
        return lock, Writer(open_writer(path, thorough=not lock.orderly, durable=durable), path)
    except BaseException:
        lock.release()
        raise


async def _open_file(path: Path) -> Reader:
    """Open a file that must be a store of this program's version."""
    # An owner that has just started may still be creating its tables.
    for _ in range(ATTEMPTS):
        try:
            return await _open_finished(path)
        except StoreError:
            if await _in_thread(functools.partial(read_lock, path)) is None:
                raise
        await anyio.sleep(PAUSE)
    return await _open_finished(path)


async def _open_finished(path: Path) -> Reader:
    if not await anyio.Path(path).is_file():
        raise StoreError(f"there is no store at {path}; start `inbox-watcher run` or name another")
    reader = await Reader.open(path)
    try:
        ((application,),) = await reader.fetch("PRAGMA application_id")
        ((version,),) = await reader.fetch("PRAGMA user_version")
        if application != APPLICATION_ID:
            raise StoreError(f"{path} is no store of inbox-watcher; check `store`")
        check_version(path, version, len(migrations()), exact=True)
    except BaseException:
        await reader.close()
        raise
    return reader


async def _in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread that does not wait for a free one."""
    return await anyio.to_thread.run_sync(function, limiter=anyio.CapacityLimiter(1))
