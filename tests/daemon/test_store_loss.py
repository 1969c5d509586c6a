"""A store that is removed, moved or replaced under what uses it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from tests.support.make import T0, event
from tests.support.virtual_time import JumpLoop
from watcher.daemon.store_loss import StoreLossDetector
from watcher.errors import StoreError
from watcher.records import Commit, EventQuery
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run in virtual time."""
    return "asyncio", {"loop_factory": JumpLoop}


def replace(path: Path) -> None:
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


def beside(end: str, harm: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return the same harm to a file beside the store's."""
    return lambda path: harm(path.with_name(path.name + end))


def link(path: Path) -> None:
    """Leave a link to the file in its place."""
    moved = path.with_suffix(".moved")
    path.rename(moved)
    path.symlink_to(moved)


HARMS: Sequence[tuple[Callable[[Path], object], str]] = (
    (Path.unlink, "the file {path} was removed or moved away"),
    (lambda path: path.rename(path.with_suffix(".old")), "the file {path} was removed or moved"),
    (replace, "{path} is another file than the one in use"),
    (link, "{path} is a link, not the file in use"),
    (beside("-wal", Path.unlink), "the file {path}-wal was removed or moved away"),
    (beside("-wal", replace), "{path}-wal is another file than the one in use"),
    (beside("-wal", link), "{path}-wal is a link, not the file in use"),
    (beside("-shm", Path.unlink), "the file {path}-shm was removed or moved away"),
    (beside("-shm", replace), "{path}-shm is another file than the one in use"),
)


@pytest.mark.parametrize(("harm", "reason"), HARMS)
async def test_a_loss_is_told_once_and_so_is_its_end(
    tmp_path: Path, harm: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "watcher.db"
    store = await SqliteStore.open(path)
    kept = {}  # what a person would put back
    for end in ("", "-wal", "-shm"):
        one = path.with_name(path.name + end)
        kept[one] = tmp_path / f"kept{end}"
        kept[one].hardlink_to(one)
    detector = StoreLossDetector(store, lambda: AT)
    try:
        with capture_logs() as lines:
            await detector.look()
            assert detector.trouble is None
            harm(path)
            for _ in range(3):
                await detector.look()
            assert detector.trouble is not None
            assert detector.trouble.reason.startswith(reason.format(path=path))
            assert detector.trouble.since == AT
            for place, same in kept.items():
                place.unlink(missing_ok=True)
                same.rename(place)
            await detector.look()
            assert detector.trouble is None
        assert [line["event"] for line in lines] == [
            "the store is gone",
            "the store is in its place again",
        ]
    finally:
        await store.close()


@pytest.mark.parametrize("size", [0, 100, 40_000])
async def test_a_file_that_was_cut_is_told(tmp_path: Path, size: int) -> None:
    path = tmp_path / "watcher.db"
    store = await SqliteStore.open(path)
    texts = [event(str(number), subject="x" * 9_000) for number in range(30)]
    await store.commit(Commit("sales", events=tuple(texts)))
    await store.close()  # all of it is in the file now
    store = await SqliteStore.open(path)
    detector = StoreLossDetector(store, lambda: AT)
    await detector.look()
    assert detector.trouble is None
    whole = path.read_bytes()
    os.truncate(path, size)
    await detector.look()
    assert detector.trouble is not None
    assert f"the file {path} was cut to {size:,} " in detector.trouble.reason
    path.write_bytes(whole)
    await store.close()


async def test_a_store_that_grows_and_shrinks_by_itself_is_whole(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "watcher.db")
    detector = StoreLossDetector(store, lambda: AT)
    for turn in range(4):
        for number in range(20):
            one = event(f"{turn}/{number}", subject="x" * 20_000)
            await store.commit(Commit("sales", events=(one,)))
            await detector.look()
        await store.prune(T0 + timedelta(days=1), T0 + timedelta(days=1))
        await detector.look()
        assert detector.trouble is None
    await store.close()


async def test_a_store_that_stays_away_ends_the_daemon_in_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    store = await SqliteStore.open(path)
    detector = StoreLossDetector(store, lambda: AT)
    path.rename(tmp_path / "moved")
    began = anyio.current_time()
    with pytest.raises(StoreError) as raised:
        await detector.run()
    assert 60 <= anyio.current_time() - began <= 75
    assert raised.value.reason.endswith(f"the file {path} was removed or moved away")
    assert raised.value.remedy
    await store.close()


async def test_what_was_written_without_its_log_is_in_the_file_after_the_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "watcher.db"
    store = await SqliteStore.open(path)
    path.with_name("watcher.db-wal").unlink()
    await store.commit(Commit("sales", events=(event("late"),)))
    await store.close()
    store = await SqliteStore.open(path)
    assert [one.event.id for one in await store.events(EventQuery())] == ["late"]
    await store.close()


async def test_after_a_file_was_moved_away_nothing_begins_anew_in_silence(tmp_path: Path) -> None:
    path, moved = tmp_path / "watcher.db", tmp_path / "moved"
    store = await SqliteStore.open(path)
    path.rename(moved)
    await store.commit(Commit("sales", events=(event("late"),)))
    await store.close()
    with pytest.raises(StoreError, match="has the end of a store whose beginning"):
        await SqliteStore.open(path)
    moved.rename(path)
    store = await SqliteStore.open(path)
    assert [one.event.id for one in await store.events(EventQuery())] == ["late"]
    await store.close()


async def test_what_cannot_be_looked_at_proves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = await SqliteStore.open(folder / "watcher.db")
    try:
        folder.rename(tmp_path / "moved")
        folder.touch()  # a file in the place of the folder: ENOTDIR
        assert await store.lost() == ""
    finally:
        folder.unlink()
        (tmp_path / "moved").rename(folder)
        await store.close()


async def test_a_store_in_memory_cannot_be_lost() -> None:
    store: Store = MemoryStore()
    assert await store.lost() == ""
