"""Getting at the file: as its only owner, as a reader, or whole into memory.

Law: whatever goes wrong here is a StoreError (or StoreLocked) with a remedy, and leaves no lock,
thread or connection behind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from watcher.errors import StoreError
from watcher.model import Event
from watcher.records import Recorded, Suppressed
from watcher.store import _note_queries, _queries, _rows
from watcher.store._lock import StoreLock, read_lock
from watcher.store._outbox import Owed
from watcher.store._reader import Reader
from watcher.store._schema import APPLICATION_ID, check_version, migrations, open_writer
from watcher.store._writer import Writer
from watcher.store.memory import MemoryStore

__all__ = ["absolute", "copy_to_memory", "in_thread", "open_file", "open_owner"]

T = TypeVar("T")

WAITS, WAIT = 30, 0.1
"""How often, and how many seconds apart, a reader looks whether the owner has made the store."""


async def copy_to_memory(path: Path | str) -> MemoryStore:
    """Read a whole store as it is at one moment, also beside its running owner; a store that does
    not exist yet is an empty one.
    """
    path = absolute(path)
    if not await anyio.Path(path).exists():
        return MemoryStore()
    reader = await open_file(path)
    try:
        await reader.fetch("BEGIN")  # what follows sees one and the same state of the file
        sources = await reader.fetch(_queries.SOURCES)
        snapshots = await reader.fetch(_queries.ALL_SNAPSHOTS)
        events = await reader.fetch(_queries.ALL_EVENTS)
        outbox = await reader.fetch(_queries.ALL_DELIVERIES)
        receivers = await reader.fetch(_queries.RECEIVERS)
        history = await reader.fetch(_note_queries.ALL_HISTORY)
        verdicts = await reader.fetch(_note_queries.ALL_VERDICTS)
        marks = await reader.fetch(_note_queries.ALL_MARKS)
        silences = await reader.fetch(_note_queries.SILENCES)
        suppressed = await reader.fetch(_note_queries.SUPPRESSED)
    finally:
        await reader.close()
    return MemoryStore.load(
        sources=[_rows.SOURCE.validate_json(document) for (document,) in sources],
        snapshots=[(source, _rows.read_snapshot(columns)) for source, *columns in snapshots],
        events=[Recorded(seq, Event.from_body(body)) for seq, body in events],
        outbox=[
            Owed(
                _rows.read_delivery(columns),
                lease=None if lease is None else _rows.from_micros(lease),
                ended=bool(ended),
            )
            for lease, ended, *columns in outbox
        ],
        receivers=[_rows.RECEIVER.validate_json(document) for (document,) in receivers],
        history=map(_rows.read_entry, history),
        verdicts={id_: _rows.read_verdicts(packed) for id_, packed in verdicts},
        marks=map(_rows.read_mark, marks),
        silences=map(_rows.read_silence, silences),
        suppressed={name: Suppressed(n, _rows.from_micros(at)) for name, n, at in suppressed},
    )


def open_owner(path: Path, owner: str) -> tuple[StoreLock, Writer]:
    """Take the lock, then open the writing connection; runs in a thread."""
    if not path.parent.is_dir():
        raise StoreError(f"the directory {path.parent} does not exist; create it or change `store`")
    lock = StoreLock.acquire(path, owner)
    try:
        return lock, Writer(open_writer(path, thorough=not lock.orderly), path)
    except BaseException:
        lock.release()
        raise


async def open_file(path: Path) -> Reader:
    """Open a file that must be a store of this program's version.

    An owner that has just started may still be making its tables: it is given a moment.
    """
    for _ in range(WAITS):
        try:
            return await _open_finished(path)
        except StoreError:
            if await in_thread(functools.partial(read_lock, path)) is None:
                raise
        await anyio.sleep(WAIT)
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


def absolute(path: Path | str) -> Path:
    return Path(path).absolute()


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread, with a token of its own: it must not wait for others' work."""
    return await anyio.to_thread.run_sync(function, limiter=anyio.CapacityLimiter(1))
