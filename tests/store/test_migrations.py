"""A store of every released schema opens, keeps what it holds, and works.

`versions/NNN.sql` is a small store as version NNN wrote it: `record` makes the newest one, once,
when its schema is released; afterwards it stays as it is.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, event, snapshot
from watcher.errors import StoreError
from watcher.model import Delivery
from watcher.records import (
    Commit,
    ConversationQuery,
    DeliveryQuery,
    EventQuery,
    ReceiverState,
    SourceState,
    TallyQuery,
)
from watcher.store.sqlite import SqliteStore, copy_into
from watcher.store.sqlite.schema import APPLICATION_ID, migrate, migrations

VERSIONS = sorted(Path(__file__).with_name("versions").glob("*.sql"))
NEWEST = len(migrations())

STATE = SourceState("sales", "chatwoot", "account 3", baselined=T0, learned={"cap": 9})
RECEIVER = ReceiverState("crm", failures=2)
ROW = snapshot("c1", unread=True, assignee="u1")
OWED: Sequence[Delivery] = (
    delivery(event("e1")),
    delivery(event("e2", subject=None, type="source.failing"), receiver="crm"),
    delivery(event("e3"), timer="Slow", due=900),
)


async def record(path: Path) -> None:
    """Write `versions/NNN.sql` of the newest version from a store made at `path`."""
    store = await SqliteStore.open(path)
    for owed in OWED:
        await store.commit(commit(owed))
    await store.commit(Commit("sales", STATE, (ROW, snapshot("gone", present=False))))
    await store.save_receiver(RECEIVER)
    await store.close()
    connection = sqlite3.connect(path)
    lines = [*connection.iterdump(), f"PRAGMA user_version = {NEWEST};"]
    lines.append(f"PRAGMA application_id = {APPLICATION_ID};")
    connection.close()
    target = Path(__file__).with_name("versions") / f"{NEWEST:03}.sql"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def restore(version: Path, path: Path) -> None:
    """Make the file that this version wrote."""
    connection = sqlite3.connect(path)
    connection.executescript(version.read_text(encoding="utf-8"))
    connection.close()


def test_there_is_a_store_of_every_version() -> None:
    assert [int(version.stem) for version in VERSIONS] == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.stem)
async def test_a_store_of_an_older_version_keeps_what_it_holds(
    tmp_path: Path, version: Path
) -> None:
    path = tmp_path / "db"
    restore(version, path)
    store = await SqliteStore.open(path)
    assert await store.source("sales") == STATE
    assert await store.receivers() == {"crm": RECEIVER}
    assert await store.known("sales", ["c1"]) == {"c1": ROW}
    assert set(await store.present_ids("sales")) == {"c1"}
    assert set(await store.ids_in_set("sales", "unread")) == {"c1"}
    assert list(await store.deliveries(DeliveryQuery())) == list(OWED)
    log = await store.events(EventQuery())
    assert [found.event for found in log] == [owed.event for owed in OWED]

    day = timedelta(days=1)
    counted = await store.tallies(TallyQuery("types", T0 - day, T0 + day, step="whole"))
    assert {one.name: one.count for one in counted} == {
        "conversation.unread": 2, "source.failing": 1,
    }  # fmt: skip

    (recorded,) = await store.commit(
        commit(delivery(event("e4"), timer="Slow"), delivery(event("e4")))
    )
    assert recorded.seq > log[-1].seq
    taken = await store.claim("team", at(5), lease=LEASE, limit=9)
    assert [one.key for one in taken] == ["e1/team"]  # e4 waits for e1, e3 keeps its timer away
    await store.close()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.stem)
async def test_an_older_schema_becomes_exactly_the_one_of_a_new_store(
    tmp_path: Path, version: Path
) -> None:
    def schema(path: Path) -> set[tuple[str, str]]:
        connection = sqlite3.connect(path)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = {(name, " ".join(sql.split())) for name, sql in rows}
        found.add(("version", str(connection.execute("PRAGMA user_version").fetchone()[0])))
        connection.close()
        return found

    restore(version, tmp_path / "old")
    for name in ("old", "new"):
        await (await SqliteStore.open(tmp_path / name)).close()
    assert schema(tmp_path / "old") == schema(tmp_path / "new")


async def test_who_waits_and_who_is_called_what_is_found_in_older_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "db"
    restore(VERSIONS[15], path)
    connection = sqlite3.connect(path)
    person = {"name": "Änne", "email": None, "phone": "+49 1"}
    for column, value in (("contact", person), ("waiting_since", "2026-11-20T10:00:00.5Z")):
        connection.execute(
            "UPDATE snapshots SET conversation = json_set(conversation, ?, json(?)) WHERE id = 'c1'",
            (f"$.{column}", json.dumps(value)),
        )
    connection.commit()
    connection.close()
    store = await SqliteStore.open(path)
    for asked in (ConversationQuery(words="äNN"), ConversationQuery(waiting=True)):
        found = [one.conversation.id async for _, one in store.each_conversation(asked)]
        assert found == ["c1"]
    await store.close()


async def test_a_store_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    await (await SqliteStore.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    connection.close()
    before = path.read_bytes()
    copy = functools.partial(copy_into, folder=tmp_path)
    for attempt in (SqliteStore.open, SqliteStore.open_reader, copy):
        with pytest.raises(StoreError, match=r"newer inbox-watcher.*install that version"):
            await attempt(path)
    assert path.read_bytes() == before


async def test_a_reader_does_not_migrate_and_says_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "db"
    await (await SqliteStore.open(path)).close()
    steps = [*migrations(), "CREATE TABLE later (x);"]
    monkeypatch.setattr("watcher.store.sqlite.migrations", lambda: steps)
    with pytest.raises(StoreError, match=r"older schema.*inbox-watcher run"):
        await SqliteStore.open_reader(path)


def test_migrations_apply_all_or_none() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, ["CREATE TABLE one (x);"])
    broken = [
        "CREATE TABLE one (x);",
        "CREATE TABLE two (x);\nINSERT INTO one VALUES (';');",
        "oh;",
    ]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("one",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM one").fetchone() == (0,)

    migrate(connection, [*broken[:2], "CREATE TABLE three (x);"])
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert connection.execute("SELECT x FROM one").fetchall() == [(";",)]
    connection.close()
