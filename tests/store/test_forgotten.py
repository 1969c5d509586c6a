"""The bytes of the file: what was forgotten, or is not to be kept, is in neither the file nor its WAL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from tests.store.test_contract_forgotten import SAID, known, told
from tests.support.make import at, delivery
from watcher.model import CONVERSATION, Snapshot
from watcher.pipeline.forgetting import removed
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore
from watcher.store.sqlite.packing import pack

LONG = "needle " + "".join(map(chr, Random(1).choices(range(97, 123), k=20_000)))
"""A text that takes several pages of the file, deflated too."""


def holds(path: Path, *texts: str | bytes) -> list[str]:
    """Return which of a store's files hold any of these texts."""
    parts = [text.encode() if isinstance(text, str) else text for text in texts]
    found = sorted(path.parent.glob(f"{path.name}*"))
    return [one.name for one in found if any(part in one.read_bytes() for part in parts)]


def kept(one: Snapshot) -> list[bytes]:
    """Return pieces of a conversation as it is kept."""
    packed = pack(CONVERSATION.adapter.dump_json(one.conversation))
    return [packed[start : start + 40] for start in range(0, max(1, len(packed) - 40), 300)]


def long_one() -> Snapshot:
    assert SAID.last_message is not None
    return known(replace(SAID, last_message=replace(SAID.last_message, text=LONG)))


async def test_what_was_removed_is_in_no_byte_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    there, key = long_one(), await store.key()
    await store.commit(Commit("sales", snapshots=(there,)))
    assert holds(path, *kept(there)) == holds(path, "maria") == ["db-wal"]
    gone = replace(removed(there, key), revision=2, observed=at(10))
    await store.commit(Commit("sales", snapshots=(gone,)))
    await store.prune(
        at(-99), at(-99)
    )  # nothing is old yet: what was overwritten goes all the same
    for text in (*kept(there), "maria"):
        assert holds(path, text) == []
    await store.close()
    assert holds(path, *kept(there)) == []


async def test_an_event_that_is_old_is_in_no_byte_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    one = told("e1")
    await store.commit(Commit("sales", events=(one,), snapshots=(known(SAID),)))
    gone = replace(removed(known(SAID), await store.key()), revision=2, observed=at(10))
    await store.commit(Commit("sales", snapshots=(gone,)))
    await store.prune(at(1), at(1))
    for text in (*kept(known(SAID)), "Maria", "maria", "still for sale"):
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
    there = kept(long_one())
    assert holds(path, *there) == ["db"]
    await store.keep_texts(False, {"sales": {"said": True, "score": False}})
    for text in (*there[:-1], "still for sale", "The house", "Is it"):
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
    assert holds(path, *kept(known(SAID))) == holds(path, "maria") == ["db-wal"]
    await cursor.close()
    await store.prune(at(-99), at(-99))
    assert holds(path, *kept(known(SAID)), "maria") == []
    await other.close()
    await store.close()
