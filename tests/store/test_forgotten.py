"""The bytes of the file: what was forgotten, or is not to be kept, is in neither the file nor its WAL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.store.test_contract_forgotten import SAID, known, told
from tests.support.make import at, delivery
from watcher.model import Snapshot
from watcher.pipeline.forgetting import removed
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

LONG = "needle " * 3000
"""A text that takes several pages of the file."""


def holds(path: Path, text: str) -> list[str]:
    """Return which of a store's files hold a text."""
    found = sorted(path.parent.glob(f"{path.name}*"))
    return [one.name for one in found if text.encode() in one.read_bytes()]


def long_one() -> Snapshot:
    assert SAID.last_message is not None
    return known(replace(SAID, last_message=replace(SAID.last_message, text=LONG)))


async def test_what_was_removed_is_in_no_byte_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    there, key = long_one(), await store.key()
    await store.commit(Commit("sales", snapshots=(there,)))
    assert holds(path, "needle") == ["db-wal"]
    gone = replace(removed(there, key), revision=2, observed=at(10))
    await store.commit(Commit("sales", snapshots=(gone,)))
    await store.prune(
        at(-99), at(-99)
    )  # nothing is old yet: what was overwritten goes all the same
    for text in ("needle", "Maria", "The house", "p1"):
        assert holds(path, text) == []
    await store.close()
    assert holds(path, "needle") == []


async def test_an_event_that_is_old_is_in_no_byte_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    one = told("e1")
    await store.commit(Commit("sales", events=(one,), snapshots=(known(SAID),)))
    gone = replace(removed(known(SAID), await store.key()), revision=2, observed=at(10))
    await store.commit(Commit("sales", snapshots=(gone,)))
    await store.prune(at(1), at(1))
    for text in ("Maria", "still for sale"):
        assert holds(path, text) == []
    await store.close()


async def test_texts_that_are_no_longer_kept_are_in_no_byte_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    one = told("e1")
    snapshots = (long_one(),)
    await store.commit(
        Commit("sales", snapshots=snapshots, events=(one,), deliveries=(delivery(one),))
    )
    await store.close()
    store = await SqliteStore.open(path)
    assert holds(path, "needle") == ["db"]
    await store.keep_texts(False, {"sales": {"said": True, "score": False}})
    for text in ("needle", "still for sale", "The house", "Is it"):
        assert holds(path, text) == []
    assert holds(path, "Maria") == ["db"]
    await store.close()


async def test_a_reader_in_the_way_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    other = await SqliteStore.open_reader(path)
    await store.commit(Commit("sales", snapshots=(known(SAID),)))
    cursor = await other._reader._connection.execute(
        "SELECT value FROM snapshots, json_each('[1, 2, 3]')"
    )
    await cursor.fetchone()
    gone = replace(removed(known(SAID), b"key"), revision=2)
    await store.commit(Commit("sales", snapshots=(gone,)))
    await store.prune(at(-99), at(-99))
    assert holds(path, "Maria") == ["db-wal"]
    await cursor.close()
    await store.prune(at(-99), at(-99))
    assert holds(path, "Maria") == []
    await other.close()
    await store.close()
