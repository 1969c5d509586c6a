"""A store that is removed, moved or replaced under what uses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from watcher.daemon.store_loss import StoreLossDetector
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)


def replace(path: Path) -> None:
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (Path.unlink, "the file {path} was removed or moved away"),
        (
            lambda path: path.rename(path.with_suffix(".old")),
            "the file {path} was removed or moved",
        ),
        (replace, "{path} is another file than the one in use"),
    ],
)
async def test_a_loss_is_told_once_and_so_is_its_end(
    tmp_path: Path, harm: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "watcher.db"
    store = await SqliteStore.open(path)
    kept = tmp_path / "kept.db"
    kept.hardlink_to(path)  # what a person would put back
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
            kept.replace(path)
            await detector.look()
            assert detector.trouble is None
        assert [line["event"] for line in lines] == [
            "the store is gone",
            "the store is in its place again",
        ]
    finally:
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
