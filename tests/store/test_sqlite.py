"""The SQLite file: its owner, its readers, and everything that may be wrong with it."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.support.make import LEASE, T0, commit, delivery, event, snapshot
from watcher.errors import StoreError, StoreLocked
from watcher.records import Commit, DeliveryQuery, EventQuery, ReceiverState, SourceState
from watcher.store.sqlite import SqliteStore, copy_into, read_lock
from watcher.store.sqlite.lock import StoreLock


def one_line(error: pytest.ExceptionInfo[StoreError]) -> str:
    """Return an error's text, which must be one line for people."""
    text = str(error.value)
    assert "\n" not in text
    return text


def names(directory: Path) -> list[str]:
    """Return the names of all files in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first = await SqliteStore.open(tmp_path / "db", owner="daemon")
    with pytest.raises(StoreLocked) as error:
        await SqliteStore.open(tmp_path / "db", owner="retry")
    assert "daemon, process " in error.value.owner
    assert str(tmp_path / "db") in one_line(error)
    await first.close()
    second = await SqliteStore.open(tmp_path / "db")
    await second.close()


async def test_the_lock_tells_who_holds_it_and_where_to_ask(tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert read_lock(path) is None
    store = await SqliteStore.open(path, owner="daemon")
    assert read_lock(path) == {"pid": os.getpid(), "owner": "daemon", "socket": ""}
    store.record_socket(tmp_path / "a much longer name than before.sock")
    store.record_socket("/run/short.sock")
    assert read_lock(path)["socket"] == "/run/short.sock"
    await store.close()
    assert read_lock(path) is None


async def test_a_glance_at_the_lock_keeps_no_owner_away(tmp_path: Path) -> None:
    glance = os.open(tmp_path / "db.lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(glance, fcntl.LOCK_SH)  # what `read_lock` holds for a moment
    looks_away = threading.Timer(0.05, os.close, [glance])
    looks_away.start()
    store = await SqliteStore.open(tmp_path / "db")
    looks_away.join()
    assert read_lock(tmp_path / "db") is not None
    await store.close()


async def test_an_unreadable_lock_file_still_locks(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    (tmp_path / "db.lock").write_text("{half")
    assert read_lock(tmp_path / "db") == {"pid": 0, "owner": "unknown", "socket": ""}
    await store.close()


async def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.commit(commit(delivery(), snapshots=(snapshot(),)))
    await store.close()
    store = await SqliteStore.open(tmp_path / "db")
    assert await store.known("sales", ["c1"]) == {"c1": snapshot()}
    assert list(await store.deliveries(DeliveryQuery())) == [delivery()]
    await store.close()


async def test_a_closed_store_leaves_one_whole_file_and_nobody_elses_eyes_on_it(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.commit(commit(delivery()))
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o600
    await store.close()
    assert names(tmp_path) == ["db", "db.lock"]


@pytest.mark.parametrize("name", ["with space.db", "what?.db", "a#b.db", "50%25.db", "ü'\".db"])
async def test_odd_characters_in_the_path_are_just_characters(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / name
    path.parent.mkdir()
    store = await SqliteStore.open(path)
    await store.commit(commit(delivery()))
    assert await store.pending() == {"team": 1}
    reader = await SqliteStore.open_reader(path)
    assert await reader.pending() == {"team": 1}
    await reader.close()
    await store.close()
    assert names(path.parent) == [name, f"{name}.lock"]


async def test_a_missing_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        await SqliteStore.open(tmp_path / "missing" / "db")
    assert "missing does not exist; create it" in one_line(error)


async def test_a_path_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        await SqliteStore.open(tmp_path)
    assert "check that the path" in one_line(error)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"just some text, no database" * 100)
    before = path.read_bytes()
    copy = functools.partial(copy_into, folder=tmp_path)
    for attempt in (SqliteStore.open, SqliteStore.open_reader, copy):
        with pytest.raises(StoreError) as error:
            await attempt(path)
        assert "no SQLite database" in one_line(error)
    assert path.read_bytes() == before
    assert read_lock(path) is None


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as error:
        await SqliteStore.open(path)
    assert "another program" in one_line(error)
    with pytest.raises(StoreError, match="no store of inbox-watcher"):
        await SqliteStore.open_reader(path)
    assert path.read_bytes() == before


async def test_a_damaged_file_is_a_store_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    texts = ("".join(map(chr, Random(n).choices(range(97, 123), k=900))) for n in range(600))
    many = tuple(snapshot(f"c{number}", status=text) for number, text in enumerate(texts))
    await store.commit(Commit("sales", snapshots=many))
    await store.close()
    whole = path.read_bytes()
    sound = len(whole) // 2  # the schema, and the roots of the tables
    path.write_bytes(whole[:sound] + b"\xff" * (len(whole) - sound))
    damaged = await SqliteStore.open(path)
    for use in (
        damaged.known("sales", [f"c{number}" for number in range(600)]),
        damaged.commit(Commit("sales", snapshots=(snapshot("new"),))),
    ):
        with pytest.raises(StoreError) as error:
            await use
        assert "restore a backup" in one_line(error)
    await damaged.close()


async def test_a_reader_sees_each_commit_beside_the_writer(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    reader = await SqliteStore.open_reader(tmp_path / "db")
    for number in range(20):
        await store.commit(Commit("sales", events=(event(str(number)),)))
        assert len(await reader.events(EventQuery())) == number + 1
    await store.close()
    assert len(await reader.events(EventQuery())) == 20  # also after the owner has gone
    await reader.close()


async def test_a_reader_does_not_need_an_owner(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.commit(commit(delivery()))
    await store.close()
    reader = await SqliteStore.open_reader(tmp_path / "db")
    assert await reader.pending() == {"team": 1}
    assert read_lock(tmp_path / "db") is None
    await reader.close()
    await reader.close()


async def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    await (await SqliteStore.open(tmp_path / "db")).close()
    before = (tmp_path / "db").read_bytes()
    reader = await SqliteStore.open_reader(tmp_path / "db")
    for write in (
        reader.commit(Commit("sales")),
        reader.claim("team", T0, lease=LEASE, limit=1),
        reader.settle([]),
        reader.unclaim(),
        reader.save_receiver(ReceiverState("team")),
        reader.retry(None, T0),
        reader.retire_unconfigured([], [], ["sales"], T0),
        reader.prune(T0, T0),
    ):
        with pytest.raises(StoreError, match="reading only"):
            await write
    with pytest.raises(StoreError, match="reading only"):
        reader.record_socket("/run/x.sock")
    await reader.close()
    assert (tmp_path / "db").read_bytes() == before


async def test_a_reader_of_a_missing_store_says_so_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        await SqliteStore.open_reader(tmp_path / "db")
    assert names(tmp_path) == []


async def test_a_copy_goes_its_own_way(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.commit(commit(delivery(), snapshots=(snapshot(),), state=SourceState("s", "p", "")))
    await store.claim("team", T0, lease=LEASE, limit=1)
    (tmp_path / "copy").mkdir()
    copy = await copy_into(tmp_path / "db", tmp_path / "copy")
    assert await copy.known("sales", ["c1"]) == {"c1": snapshot()}
    assert list(await copy.sources()) == list(await store.sources())
    assert list(await copy.claim("team", T0, lease=LEASE, limit=1)) == []  # leased in the copy too
    (second,) = await copy.commit(Commit("sales", events=(event("e2"),)))
    assert second.seq > (await store.events(EventQuery()))[-1].seq
    assert len(await store.events(EventQuery())) == 1
    await copy.close()
    await store.close()


async def test_a_copy_that_does_not_fit_is_refused_before_it_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await SqliteStore.open(tmp_path / "db")).close()
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match=r"no room for a copy.*TMPDIR"):
        await copy_into(tmp_path / "db", tmp_path / "copy")
    assert names(tmp_path / "copy") == []


async def test_a_copy_of_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = await copy_into(tmp_path / "db", tmp_path / "copy")
    assert list(await copy.sources()) == []
    assert names(tmp_path) == ["copy"]
    await copy.close()


async def test_a_reader_waits_for_an_owner_that_is_still_making_the_store(tmp_path: Path) -> None:
    path, finished = tmp_path / "db", tmp_path / "finished"
    await (await SqliteStore.open(finished)).close()
    lock = StoreLock.acquire(path, "test")
    path.touch()  # as SQLite leaves it before the first transaction

    async def finish() -> None:
        await anyio.sleep(0.3)
        finished.rename(path)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(finish)
        with anyio.fail_after(5):
            reader = await SqliteStore.open_reader(path)
        await reader.close()
    lock.release()
