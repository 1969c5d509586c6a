"""A damaged file: refused in one line that says which and what to do, and never written to."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.make import event, snapshot
from watcher.errors import StoreDamaged, StoreError
from watcher.records import Commit, EventQuery
from watcher.store.sqlite import SqliteStore
from watcher.store.sqlite.lock import StoreLock

PAGE = 4096


def page(number: int) -> Commit:
    """Make a commit of some pages."""
    events = tuple(event(f"e{number}-{index}", subject=f"c{index}") for index in range(40))
    return Commit("sales", events=events, snapshots=(snapshot(f"c{number}"),))


async def make(path: Path) -> None:
    """Make a store of some hundred kilobytes, closed in order."""
    store = await SqliteStore.open(path)
    for number in range(20):
        await store.commit(page(number))
    await store.close()


async def crash(path: Path) -> None:
    """Leave a store as a killed owner does: commits in the WAL, no last word in the lock file."""
    apart = path.with_name("apart")
    apart.mkdir()
    await make(apart / path.name)
    store = await SqliteStore.open(apart / path.name)
    await store.commit(page(99))
    for suffix in ("", "-wal"):
        path.with_name(path.name + suffix).write_bytes(
            (apart / f"{path.name}{suffix}").read_bytes()
        )
    await store.close()


def spoil(path: Path, start: int, end: int) -> None:
    """Overwrite a part of a file with garbage."""
    blob = bytearray(path.read_bytes())
    blob[start:end] = bytes(range(1, 256)) * (len(blob[start:end]) // 255 + 1)
    path.write_bytes(blob[: path.stat().st_size])


def beside(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def hashes(path: Path) -> list[str]:
    blobs = [file.read_bytes() for file in (path, beside(path)) if file.exists()]
    return [hashlib.sha256(blob).hexdigest() for blob in blobs if blob]


def newer(path: Path) -> None:
    beside(path).unlink()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "the header": (lambda path: spoil(path, 0, 100), "no SQLite database: restore a backup"),
    "pages in the middle": (lambda path: spoil(path, 6 * PAGE, 20 * PAGE), "restore a backup"),
    "cut in half": (
        lambda path: path.write_bytes(path.read_bytes()[: 10 * PAGE]) and beside(path).unlink(),
        "restore a backup",
    ),
    "not in whole pages": (
        lambda path: (
            path.write_bytes(path.read_bytes()[: 10 * PAGE + 77]) and beside(path).unlink()
        ),
        "restore a backup",
    ),
    "emptied beside its WAL": (lambda path: path.write_bytes(b""), "missing or empty"),
    "deleted beside its WAL": (lambda path: path.unlink(), "missing or empty"),
    "a text": (lambda path: path.write_text("no database " * 999), "no SQLite database"),
    "a newer schema": (newer, "newer inbox-watcher"),
}


@pytest.mark.parametrize("case", DAMAGE)
async def test_a_damaged_store_is_refused_and_left_as_it_is(tmp_path: Path, case: str) -> None:
    path = tmp_path / "watcher.db"
    await crash(path)
    damage, said = DAMAGE[case]
    damage(path)
    before = hashes(path)
    for _ in range(2):  # every start says so, not the first alone
        with pytest.raises(StoreError) as error:
            await SqliteStore.open(path)
        assert said in str(error.value)
        assert str(path) in error.value.reason
        assert "; " in str(error.value)
        assert "\n" not in str(error.value)
        assert hashes(path) == before


async def test_damage_that_is_met_at_work_is_found_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await make(path)
    spoil(path, 80 * PAGE, 120 * PAGE)
    store = await SqliteStore.open(path)  # it was closed in order: only what is read is looked at
    with pytest.raises(StoreDamaged):
        await store.events(EventQuery(limit=10_000))
    await store.close()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        await SqliteStore.open(path)


async def test_a_damaged_page_that_a_writer_meets_counts_too(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await make(path)
    # A start reads pages before these: the schema, and what it brings up to date.
    spoil(path, 80 * PAGE, 130 * PAGE)
    store = await SqliteStore.open(path)
    everything = Commit("sales", events=tuple(event(f"x{n}", subject=f"c{n}") for n in range(999)))
    with pytest.raises(StoreDamaged):
        await store.commit(everything)
    await store.close()
    with pytest.raises(StoreDamaged):
        await SqliteStore.open(path)


async def test_only_an_end_that_was_in_order_spares_the_look_at_every_page(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await make(path)
    lock = StoreLock.acquire(path, "test")
    assert lock.orderly
    lock.release()
    lock = StoreLock.acquire(path, "test")
    assert not lock.orderly
    lock.release(orderly=True)
    lock = StoreLock.acquire(path, "test")
    assert lock.orderly
    lock.release()


@pytest.mark.parametrize("keep", [0, 31, 32, 5_000, 60_000, None], ids=str)
async def test_a_wal_that_a_power_cut_left_torn_is_taken_as_far_as_it_is_whole(
    tmp_path: Path, keep: int | None
) -> None:
    """What was acknowledged is on disk whole (synchronous=FULL); a torn rest was never told."""
    path = tmp_path / "watcher.db"
    await crash(path)
    wal = beside(path)
    if keep is None:
        spoil(wal, 0, wal.stat().st_size)
    else:
        wal.write_bytes(wal.read_bytes()[:keep])
    store = await SqliteStore.open(path)
    events = await store.events(EventQuery(limit=10_000))
    assert len(events) in (800, 840)
    await store.commit(page(99))  # the same page again: the same ids, once
    assert len(await store.events(EventQuery(limit=10_000))) == 840
    await store.close()


async def test_a_transaction_that_a_kill_cut_before_wal_mode_is_taken_back(tmp_path: Path) -> None:
    path, copy = tmp_path / "watcher.db", tmp_path / "copy.db"
    await make(path)
    writer = sqlite3.connect(path, isolation_level=None)
    assert writer.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    writer.execute("PRAGMA cache_size = 1")  # pages go to the file before the commit
    writer.execute("BEGIN")
    writer.execute("UPDATE events SET source = 'half done'")
    for suffix in ("", "-journal"):
        copy.with_name(copy.name + suffix).write_bytes(
            path.with_name(path.name + suffix).read_bytes()
        )
    writer.close()
    assert b"half done" in copy.read_bytes()
    store = await SqliteStore.open(copy)
    assert len(await store.events(EventQuery(limit=10_000, sources=("sales",)))) == 800
    await store.close()
