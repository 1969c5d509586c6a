"""The SQLite store's writer: grouped commits, cancelled callers, closing, a full disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.support.make import at, commit, delivery, event, snapshot
from watcher.errors import Conflict, StoreError
from watcher.records import Commit, ConversationQuery, DeliveryQuery, EventQuery, ReceiverState
from watcher.store.sqlite import SqliteStore, queries, read_lock, transactions


async def test_jobs_that_share_a_commit_fail_alone(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    failed: list[str] = []

    async def write(number: int) -> None:
        revision = 7 if number % 3 == 0 else 1  # every third is a conflict
        page = Commit(
            "sales",
            events=(event(f"e{number}"),),
            snapshots=(snapshot(f"new{number}"), snapshot(f"c{number}", revision)),
        )
        try:
            await store.commit(page)
        except Conflict:
            failed.append(f"e{number}")

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(write, number)
    assert sorted(failed) == sorted(f"e{number}" for number in range(0, 30, 3))
    written = {found.event.id for found in await store.events(EventQuery())}
    assert written == {f"e{number}" for number in range(30)} - set(failed)
    assert len(await store.present_ids("sales")) == 2 * len(written)
    await store.close()


async def test_a_cancelled_caller_leaves_a_whole_transaction_or_none(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    told: set[int] = set()

    async def write(number: int) -> None:
        page = Commit("sales", events=(event(f"e{number}"),), snapshots=(snapshot(f"c{number}"),))
        await store.commit(page)
        told.add(number)

    for first in range(0, 100, 10):
        async with anyio.create_task_group() as tasks:
            for number in range(first, first + 10):
                tasks.start_soon(write, number)
            for _ in range(first // 10):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    events = {found.event.id[1:] for found in await store.events(EventQuery())}
    assert {id_[1:] for id_ in await store.present_ids("sales")} == events
    assert {str(number) for number in told} == events  # whoever was cut off learned the outcome
    await store.commit(Commit("sales", events=(event("after"),)))
    await store.close()


async def test_a_caller_cancelled_by_asyncio_itself_leaves_nothing_half_done(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    for number in range(50):
        page = Commit("sales", events=(event(f"e{number}"),), snapshots=(snapshot(f"c{number}"),))
        task = asyncio.ensure_future(store.commit(page))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await store.unclaim()  # comes after all that was queued
    events = {found.event.id[1:] for found in await store.events(EventQuery())}
    assert {id_[1:] for id_ in await store.present_ids("sales")} == events
    await store.close()


async def test_a_store_can_be_closed_inside_a_cancelled_scope(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.close()
    assert read_lock(tmp_path / "db") is None


async def test_what_was_queued_before_the_close_is_written(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(store.commit, Commit("sales", events=(event(str(number)),)))
        await anyio.lowlevel.checkpoint()
        await store.close()
    again = await SqliteStore.open(tmp_path / "db")
    assert len(await again.events(EventQuery())) == 20
    await again.close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.close()
    for use in (store.source("sales"), store.commit(Commit("sales")), store.unclaim()):
        with pytest.raises(StoreError, match="is closed"):
            await use


async def test_commits_that_wait_together_share_a_flush(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    commits: list[str] = []
    store._writer.connection.set_trace_callback(commits.append)
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(store.save_receiver, ReceiverState(f"r{number}"))
    store._writer.connection.set_trace_callback(None)
    assert commits.count("COMMIT") < 100
    assert len(await store.receivers()) == 200
    await store.close()


async def test_the_file_is_flushed_at_each_commit(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    pragma = store._writer.connection.execute
    assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL
    await store.close()


def scans(store: SqliteStore, statement: str, parameters: Any) -> list[str]:
    """Return what a statement scans whole, lists of parameters and rows just chosen left out."""
    assert store._writer is not None
    plan = store._writer.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    found = [row[3] for row in plan if row[3].startswith("SCAN")]
    lists = ("json_each", "SCAN f", "SCAN w", "SCAN n", "SCAN s", "subquery", "CONSTANT ROW")
    return [scan for scan in found if not any(name in scan for name in lists)]


def sorts(store: SqliteStore, statement: str, parameters: Any) -> list[str]:
    """Return what a statement puts in order by itself, rather than by an index."""
    assert store._writer is not None
    plan = store._writer.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return [row[3] for row in plan if "TEMP B-TREE" in row[3]]


async def test_claiming_and_reading_use_indices(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    due = {"receiver": "", "now": 0}
    queue = {"receiver": "", "topic": ""}
    digest = {**due, "batch": "", "message": "", "limit": 9}
    for statement, parameters in (
        (queries.FRONTS, due),
        (queries.NEXT, {**queue, "seq": 0}),
        (queries.TAKEN, ("[]",)),
        (queries.READY, due),
        (queries.NEXT_DIGEST, due),
        (queries.COLLECTED, digest),
        (queries.MOVE_UP, queue),
        (queries.STEP_BACK, {**queue, "most": 9}),
        (queries.ROWS_NAMED, ("[]",)),
        (queries.save_row(("state", "lease")), ("", 0, "")),
        (queries.TIMERS_OF_TOPIC, ("", "")),
        (queries.TIMERS_OF_SOURCE, ("",)),
        (queries.ACTIONS, (0, 9)),
        (queries.PRUNE_ACTIONS, (0,)),
        (queries.PRUNE_ACKNOWLEDGEMENTS, (0,)),
        (queries.LEASED_BY, ("",)),
        (queries.NAMED, {"ids": "[]"}),
        (queries.ROWS_OF, ("[]",)),
        (queries.HISTORY, ("[]",)),
        (queries.VERDICTS, ("[]",)),
        (queries.MARKS, ("[]", "")),
        (queries.KNOWN, ("", "[]")),
        (queries.PRESENT_IDS, ("",)),
        (queries.IDS_IN_SET["unread"], ("",)),
        (queries.NEXT_DUE, ("", 0)),
        (queries.SENT_SINCE, {"receiver": "", "since": 0}),
        *(
            (ids, {"first": "a", "end": "b", "limit": 9})
            for kind in queries.IDS.values()
            for ids in kind
        ),
        queries.conversations(ConversationQuery(ids=("c",)), "waiting", ()),
        queries.deliveries(DeliveryQuery(id="d", receiver="team")).newest(9),
        queries.deliveries(DeliveryQuery(events=("e",))).newest(9),
        queries.events(EventQuery(conversations=("c",), sources=("s",))).newest(9),
        queries.conversations(ConversationQuery(sources=("s",), unread=True), "rest", ()),
        queries.conversations(ConversationQuery(), "waiting", (0, "s", "c")),
        queries.conversations(ConversationQuery(words="ann"), "words", ("ann", "s", "c")),
        queries.conversations(ConversationQuery(), "rest", ("s", "c")),
        queries.deliveries(DeliveryQuery(rule="r")).newest(9),
        queries.deliveries(DeliveryQuery(receiver="r", before=9)).newest(9),
        queries.events(EventQuery(before=9)).newest(9),
        queries.events(EventQuery(types=("source.held",))).newest(9),
        queries.one_by_one(EventQuery(types=("source.*",), before=9), ["a", "b"]),
        queries.one_by_one(EventQuery(types=("source.*",), oldest=True), ["a"]),
        (queries.TYPES, {"first": ""}),
        *(
            (one, {"kind": "types", "since": 0, "until": 9, "names": "[]", "limit": 9})
            for one in queries.TALLIES.values()
        ),
        (queries.PRUNE_TALLIES, (0,)),
        queries.events(EventQuery(after=9)).oldest(9),
        queries.deliveries(DeliveryQuery(rule="r", after=9)).oldest(9),
    ):
        assert scans(store, statement, parameters) == [], statement
    # These are about all rows that wait, are dead or are running timers: partial indices hold just
    # those.
    configured = dict.fromkeys(("receivers", "rules", "sources"), "[]")
    for statement, parameters in (
        (queries.LEASED, ()),
        (queries.LATER, {"after": 0}),
        (queries.DEAD, ()),
        queries.deliveries(DeliveryQuery(state="dead")).newest(9),
        (queries.UNCONFIGURED, configured),
    ):
        found = scans(store, statement, parameters)
        assert found, statement
        assert all("INDEX deliveries_" in scan for scan in found), statement
    await store.close()


async def test_what_the_dispatchers_ask_is_sorted_by_no_statement(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    due = {"receiver": "", "now": 0}
    for statement, parameters in (
        (queries.FRONTS, due),
        (queries.NEXT, {"receiver": "", "topic": "", "seq": 0}),
        (queries.READY, due),
        (queries.NEXT_DIGEST, due),
        (queries.COLLECTED, {**due, "batch": "", "message": "", "limit": 9}),
        (queries.NEXT_DUE, ("", 0)),
        (queries.SENT_SINCE, {"receiver": "", "since": 0}),
        (queries.TIMERS_OF_TOPIC, ("", "")),
        (queries.PENDING, ()),
        (queries.QUEUES, {"now": 0}),
        (queries.DEAD_COUNTS, ()),
        (queries.DIED_SINCE, (0,)),
        queries.deliveries(DeliveryQuery(state="pending")).newest(9),
        queries.deliveries(DeliveryQuery(receiver="team")).newest(9),
        queries.deliveries(DeliveryQuery(rule="Rule", before=9)).newest(9),
        queries.events(EventQuery(types=("source.held",), before=9)).newest(9),
        queries.conversations(ConversationQuery(), "waiting", (0, "s", "c")),
        queries.conversations(ConversationQuery(words="ann"), "words", ("ann", "s", "c")),
    ):
        found = sorts(store, statement, parameters)
        # What a list shows is turned round: no more than that.
        assert found in ([], ["USE TEMP B-TREE FOR ORDER BY"] if "DESC" in statement else []), (
            statement
        )
    await store.close()


async def test_a_full_disk_fails_whoever_wrote_and_nobody_after(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    connection = store._writer.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    text = "".join(map(chr, Random(1).choices(range(97, 123), k=100_000)))
    big = Commit("sales", snapshots=(snapshot(status=text),))
    with pytest.raises(StoreError) as error:
        await store.commit(big)
    assert "make room on the disk" in str(error.value)
    assert set(await store.present_ids("sales")) == set()
    connection.execute("PRAGMA max_page_count = 100000")
    await store.commit(big)
    assert set(await store.present_ids("sales")) == {"c1"}
    await store.close()


async def test_times_survive_to_the_microsecond(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    await store.commit(commit(delivery(due=0.000001)))
    assert await store.next_due("team") == at(0.000001)
    await store.close()


async def test_when_sqlite_undoes_a_whole_group_nobody_in_it_is_told_of_success(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    writer = store._writer
    connection = writer.connection
    gate = threading.Event()

    def lose_everything() -> None:
        connection.execute("ROLLBACK")  # as SQLite does by itself after some I/O errors
        raise sqlite3.OperationalError("disk I/O error")

    held = writer.submit(gate.wait)  # lets the others gather behind it
    before = writer.submit(transactions.save_receiver, connection, ReceiverState("before"))
    culprit = writer.submit(lose_everything)
    after = writer.submit(transactions.save_receiver, connection, ReceiverState("after"))
    gate.set()
    await asyncio.wait([asyncio.wrap_future(held)])
    for lost in (before, culprit, after):
        with pytest.raises(StoreError):
            await asyncio.wrap_future(lost)
    assert await store.receivers() == {}
    await store.save_receiver(ReceiverState("later"))
    assert set(await store.receivers()) == {"later"}
    await store.close()
