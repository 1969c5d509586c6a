"""Files of the store are opened where they are ours: through no link, in no folder of everybody's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.errors import StoreError
from watcher.store.address import StoreAddress
from watcher.store.sqlite import SqliteStore


async def refused(path: Path) -> str:
    """Return why a store is not opened; `check` finds the same."""
    with pytest.raises(StoreError) as error:
        await SqliteStore.open(path)
    with pytest.raises(StoreError) as foreseen:
        StoreAddress(path).look()
    assert str(foreseen.value) == str(error.value)
    return str(error.value)


@pytest.mark.parametrize("end", ["", ".lock"])
async def test_nothing_is_written_through_a_link(tmp_path: Path, end: str) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    path = tmp_path / "w.db"
    path.with_name(path.name + end).symlink_to(other)
    assert "is a link" in await refused(path)
    assert other.read_text() == "of somebody else"


@pytest.mark.parametrize("end", ["", ".lock"])
async def test_nothing_is_written_into_a_file_with_two_names(tmp_path: Path, end: str) -> None:
    other = tmp_path / "other"
    other.write_text("")
    path = tmp_path / "w.db"
    os.link(other, path.with_name(path.name + end))
    assert "hard link" in await refused(path)
    assert other.read_text() == ""


async def test_a_lock_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.db.lock")
    assert "is no file" in await refused(tmp_path / "w.db")


async def test_what_is_no_lock_of_ours_stays(tmp_path: Path) -> None:
    lock = tmp_path / "w.db.lock"
    lock.write_text("the only copy of my thesis")
    with pytest.raises(StoreError, match="no lock of this program"):
        await SqliteStore.open(tmp_path / "w.db")
    assert lock.read_text() == "the only copy of my thesis"


@pytest.mark.parametrize(("mode", "right"), [(0o777, False), (0o1777, True), (0o775, True)])
async def test_a_folder_of_everybody_is_refused(tmp_path: Path, mode: int, right: bool) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    if right:
        await (await SqliteStore.open(folder / "w.db")).close()
    else:
        assert "chmod o-w" in await refused(folder / "w.db")
