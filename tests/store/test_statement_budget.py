"""No statement runs for ever on the writer's thread, and whoever waits is told for what."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from tests.support.make import LEASE, T0, at, commit, delivery, event, settlement
from watcher.daemon.loops import Loops
from watcher.daemon.watchdog import STORE_STUCK_AFTER, Watchdog
from watcher.errors import StatementEnded
from watcher.metrics import Metrics
from watcher.records import Commit, DeliveryQuery, ReceiverState
from watcher.store import sqlite
from watcher.store.retrying import Retrier
from watcher.store.sqlite import SqliteStore, queries

ENDLESS = """
    WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE :receiver <> '' OR :now)
    SELECT x, x, x FROM n WHERE x < 0"""


def endless(connection: sqlite3.Connection) -> None:
    """Run a statement that never ends by itself."""
    connection.execute(ENDLESS, {"receiver": "team", "now": 1}).fetchall()


async def test_a_statement_that_takes_too_many_steps_is_ended_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FRONTS", ENDLESS)
    store = await SqliteStore.open(tmp_path / "db")
    assert store._writer is not None
    store._writer.connection.bound(200_000)
    await store.commit(commit(delivery()))
    with (
        capture_logs() as lines,
        pytest.raises(StatementEnded, match=r"^FRONTS was ended") as error,
    ):
        await store.claim("team", T0, lease=LEASE, limit=1)
    assert "please report it" in error.value.remedy
    assert [line["statement"] for line in lines] == ["FRONTS"]
    await store.save_receiver(ReceiverState("after"))  # and others go on
    await store.close()


async def test_what_writes_is_undone(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    assert store._writer is not None
    writer = store._writer
    writer.connection.bound(100_000)

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO receivers VALUES ('half', '{}')")
        connection.execute(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
            " INSERT INTO receivers SELECT x, '{}' FROM n"
        )

    with pytest.raises(StatementEnded, match=r"^WITH RECURSIVE n"):
        await writer.run(write)
    assert await store.receivers() == {}
    await store.close()


async def test_whoever_asks_too_much_waits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrier = Retrier()
    store = await SqliteStore.open(tmp_path / "db", retrier=retrier)
    assert store._writer is not None
    store._writer.connection.bound(100_000)
    await store.commit(commit(delivery(event("e1"))))
    writer = store._writer

    async def ask() -> None:
        await retrier.run(lambda _late: writer.run(endless))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(5):
            while retrier.trouble is None:  # noqa: ASYNC110 - a condition of the writer's thread
                await anyio.sleep(0.01)
        assert "was ended after" in retrier.trouble.reason
        (taken,) = await store.claim("team", T0, lease=LEASE, limit=1)  # claims otherwise go last
        assert taken.id == "e1"
        tasks.cancel_scope.cancel()
    assert retrier.trouble is None
    await store.close()


async def test_the_watchdog_tells_its_own_statement_from_the_disk(tmp_path: Path) -> None:
    retrier = Retrier()
    store = await SqliteStore.open(tmp_path / "db", retrier=retrier)
    assert store._writer is not None
    writer = store._writer
    watchdog = Watchdog([Loops("source")], retrier, Metrics())
    retrier._under_way[object()] = anyio.current_time() - STORE_STUCK_AFTER - 1
    writer._moved = 0.0
    watchdog.look()
    assert [one.where for one in watchdog.stuck] == ["the disk does not answer"]
    writer.connection.bound(10**15)

    async def run() -> None:
        with pytest.raises(StatementEnded):
            await writer.run(endless)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(5):
            while not writer.connection.ticked:  # noqa: ASYNC110 - a condition of the writer's thread
                await anyio.sleep(0.01)
        watchdog.look()
        (stuck,) = watchdog.stuck
        writer.connection.interrupt()
    assert stuck.where.startswith("a statement of the store's own runs: WITH RECURSIVE n")
    await store.save_receiver(ReceiverState("team"))
    watchdog.look()
    assert [one.where for one in watchdog.stuck] == ["0 transactions wait for their turn"]
    await store.close()


async def test_pruning_lets_others_write_between_its_batches(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "db")
    assert store._writer is not None
    most, steps, commits = 0, 0, 0

    def step() -> None:
        nonlocal steps
        steps += 1

    def traced(statement: str) -> None:
        nonlocal most, steps, commits
        if statement == "COMMIT":
            most, steps, commits = max(most, steps), 0, commits + 1

    rows = [delivery(event(f"e{number}", subject=f"c{number}")) for number in range(2_000)]
    await store.commit(commit(*rows))
    out = await store.claim("team", T0, lease=LEASE, limit=2_000)
    await store.settle([settlement(one, "dead") for one in out])
    connection = store._writer.connection
    connection.set_progress_handler(step, 100)
    connection.set_trace_callback(traced)
    assert await store.prune(at(900), at(900)) == 4_000
    assert commits > 8
    assert most * 100 < 500 * 400, "the batch of one transaction"
    assert await store.dead() == {}
    assert list(await store.deliveries(DeliveryQuery())) == []
    connection.set_trace_callback(None)
    await store.close()


async def test_the_file_shrinks_after_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SPARE", 10)
    path = tmp_path / "db"
    store = await SqliteStore.open(path)
    for part in range(2):
        told = [
            replace(event(f"e{part}-{number}"), data={"text": "x" * 4_000}) for number in range(200)
        ]
        await store.commit(Commit("sales", events=tuple(told)))
    await store.close()
    before = path.stat().st_size
    assert before > 1_500_000
    store = await SqliteStore.open(path)
    await store.prune(at(900), at(900))
    await store.close()
    assert path.stat().st_size < before / 3
