"""What would keep a user from opening the store, seen from outside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from watcher.errors import StoreError
from watcher.store.address import StoreAddress

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that every user can enter (those of pytest are root's alone)."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def unprivileged() -> Iterator[int]:
    """Be a user whom permissions hold for, if this process is root; gives the user's number."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(own)


def stamps(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}


def refusal(store: Path) -> str:
    with pytest.raises(StoreError) as caught:
        StoreAddress(store).look()
    return str(caught.value)


def test_a_folder_that_this_user_cannot_write_names_user_and_folder(folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    with unprivileged() as user:
        said = refusal(locked / "watcher.db")
    assert said.startswith(f"user {user}")
    assert said.endswith(
        f"cannot write to the store's folder {locked}; change its owner, or `store`"
    )


@pytest.mark.parametrize("end", ["", "-wal", "-shm", ".lock"])
def test_a_file_of_the_store_that_this_user_cannot_write(folder: Path, end: str) -> None:
    store, closed = folder / "watcher.db", folder / f"watcher.db{end}"
    store.touch()
    closed.touch()
    closed.chmod(0o444)
    for path in (folder, store, closed):
        os.chown(path, NOBODY, NOBODY)
    with unprivileged() as user:
        said = refusal(store)
    assert said.startswith(f"user {user}")
    assert said.endswith(f"cannot write {closed}, a file of the store; change its owner")


async def test_a_store_of_ours_and_none_at_all_are_fine(folder: Path) -> None:
    address = StoreAddress(folder / "watcher.db")
    address.look()
    store = await address.open_owner("a test")
    await store.close()
    before = stamps(folder)
    address.look()
    assert stamps(folder) == before


def test_an_empty_file_is_filled_by_the_daemon(folder: Path) -> None:
    (folder / "watcher.db").touch()
    StoreAddress(folder / "watcher.db").look()


def test_a_file_that_only_begins_like_a_database_is_none(folder: Path) -> None:
    (folder / "watcher.db").write_bytes(b"SQLite format 3\0")
    assert "is no SQLite database" in refusal(folder / "watcher.db")
