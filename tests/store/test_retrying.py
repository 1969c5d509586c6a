"""A full disk and a foreign lock are waited out: told once, nothing lost, nothing half written."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from tests.support.make import LEASE, T0, commit, delivery, event, snapshot
from watcher.errors import StoreDamaged, StoreUnavailable
from watcher.records import Commit, EventQuery, Settlement
from watcher.store.retrying import Retrier
from watcher.store.sqlite import SqliteStore


def pragma(store: SqliteStore, text: str) -> int:
    """Have the writer run a pragma."""
    writer = store._writer
    assert writer is not None
    found = writer.submit(lambda: writer.connection.execute(f"PRAGMA {text}").fetchone()).result(5)
    return int(found[0])


@asynccontextmanager
async def opened(path: Path, retrier: Retrier | None) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, retrier=retrier)
    pragma(store, "busy_timeout = 0")
    try:
        yield store
    finally:
        await store.close()


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not holds():  # noqa: ASYNC110 - a condition of the writer's thread
            await anyio.sleep(0.01)


def page(number: int) -> Commit:
    """Make a commit that needs new pages."""
    events = tuple(event(f"e{number}-{index}", subject=f"c{index}") for index in range(40))
    return Commit("sales", events=events, snapshots=(snapshot(f"c{number}"),))


async def test_a_full_disk_is_waited_for_and_everything_is_written_once(tmp_path: Path) -> None:
    retrier = Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        await store.commit(page(0))
        most = pragma(store, f"max_page_count = {pragma(store, 'page_count')}")
        assert most > 0
        with capture_logs() as lines:
            async with anyio.create_task_group() as tasks:
                for number in (1, 2, 3):
                    tasks.start_soon(store.commit, page(number))
                await until(lambda: retrier.trouble is not None)
                assert len(await store.events(EventQuery(limit=1000))) < 160
                pragma(store, "max_page_count = 1000000")
        assert retrier.trouble is None
        events = await store.events(EventQuery(limit=1000))
        assert len(events) == len({one.event.id for one in events}) == 160
    assert [line["event"] for line in lines] == [
        "the store fails; everything waits for it",
        "the store works again",
    ]
    assert lines[0]["remedy"] == "make room on the disk"
    assert str(tmp_path / "db") in lines[0]["reason"]


async def test_without_a_retrier_a_full_disk_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    async with opened(tmp_path / "db", None) as store:
        await store.commit(page(0))
        pragma(store, f"max_page_count = {pragma(store, 'page_count')}")
        outcomes: list[BaseException] = []

        async def write(number: int) -> None:
            try:
                await store.commit(page(number))
            except Exception as error:  # noqa: BLE001 - compared below
                outcomes.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(10, 20):
                tasks.start_soon(write, number)
        # In a group in which one job finds the disk full, nobody is told a follow-up error.
        assert {type(one) for one in outcomes} == {StoreUnavailable}
        assert str(outcomes[0]).endswith("full; make room on the disk")


async def test_a_foreign_lock_is_waited_for(tmp_path: Path) -> None:
    retrier = Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.commit, page(1))
            await until(lambda: retrier.trouble is not None)
            trouble = retrier.trouble
            assert trouble is not None
            assert trouble.remedy == "another program holds it: close that one"
            assert list(await store.events(EventQuery())) == []  # reading goes on
            other.execute("ROLLBACK")
        other.close()
        assert retrier.trouble is None
        assert len(await store.events(EventQuery(limit=1000))) == 40


async def test_nothing_is_claimed_before_what_was_sent_is_settled(tmp_path: Path) -> None:
    """Else a lease that ran out meanwhile would have it sent again."""
    retrier = Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        await store.commit(commit(delivery()))
        (claimed,) = await store.claim("team", T0, lease=LEASE, limit=1)
        settled = Settlement(claimed.key, claimed.attempt, "delivered", T0, "ok", T0)
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        again = []

        async def claim() -> None:
            again.append(await store.claim("team", T0 + 2 * LEASE, lease=LEASE, limit=1))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim)  # waits first, and yet comes last
            await until(lambda: retrier.trouble is not None)
            tasks.start_soon(store.settle, [settled])
            await until(lambda: retrier._waiting == 1)
            other.execute("ROLLBACK")
        other.close()
        assert again == [[]]


async def test_a_claim_that_succeeds_late_takes_nothing_that_is_still_under_way(
    tmp_path: Path,
) -> None:
    """Nobody could renew its lease while the store failed; what is taken has its whole lease."""
    brief, retrier = timedelta(milliseconds=100), Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        await store.commit(commit(delivery(event("e1"))))
        (sending,) = await store.claim("team", T0, lease=brief, limit=1)
        await store.commit(commit(delivery(event("e2", subject="c2"))))
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        claimed = []

        async def claim() -> None:
            claimed.extend(await store.claim("team", T0, lease=brief, limit=9))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim)
            await until(lambda: retrier.trouble is not None)
            other.execute("ROLLBACK")  # the claim is tried again a quarter of a second later
        other.close()
        assert [one.event.id for one in claimed] == ["e2"]
        over = await store.claim("team", T0 + 3 * brief, lease=brief, limit=9)
        assert [one.key for one in over] == [sending.key]


async def test_who_is_stopped_while_waiting_leaves_no_trouble_behind(tmp_path: Path) -> None:
    retrier = Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.commit, page(1))
            await until(lambda: retrier.trouble is not None)
            tasks.cancel_scope.cancel()
        other.close()
        assert retrier.trouble is None
        await store.commit(page(1))


async def test_damage_is_not_waited_for(tmp_path: Path) -> None:
    retrier = Retrier()
    async with opened(tmp_path / "db", retrier) as store:
        for number in range(20):
            await store.commit(page(number))
    blob = bytearray((tmp_path / "db").read_bytes())
    blob[8192:-8192] = b"\xa5" * (len(blob) - 16384)
    (tmp_path / "db").write_bytes(blob)
    with pytest.raises(StoreDamaged):
        async with opened(tmp_path / "db", retrier) as store:
            await store.events(EventQuery(limit=1000))
