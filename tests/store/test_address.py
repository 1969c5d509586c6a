"""The address of a store: what a configured text means, and what can be opened there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.make import event
from watcher.errors import StoreError, StoreLocked
from watcher.records import Commit, EventQuery
from watcher.store.address import AddressError, StoreAddress


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("postgresql://db/watcher", "write a file's path"),
        ("sqlite:///watcher.db", "write a file's path"),
        ("a\0b", ""),
    ],
)
def test_what_is_no_path_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(AddressError) as refused:
        StoreAddress.parse(text)
    assert refused.value.remedy == remedy


def test_two_ways_to_write_a_path_are_one_address() -> None:
    address = StoreAddress.parse("./state/watcher.db")
    assert address == StoreAddress.parse("state/watcher.db")
    assert str(address) == "state/watcher.db"
    assert address.absolute() == StoreAddress.parse(str(Path.cwd() / "state" / "watcher.db"))


async def test_owner_reader_and_copy_see_the_same_store(tmp_path: Path) -> None:
    address = StoreAddress.parse(str(tmp_path / "watcher.db"))
    assert address.daemon_socket == tmp_path / "watcher.db.sock"
    assert not address.exists()
    (tmp_path / "copy").mkdir()
    empty = await address.copy_into(tmp_path / "copy")
    assert not await empty.events(EventQuery())
    await empty.close()
    with pytest.raises(StoreError):
        await address.open_reader()
    owner = await address.open_owner("a test")
    try:
        owner.record_socket(address.daemon_socket)
        holder = address.holder()
        assert holder is not None
        assert (holder["owner"], holder["socket"]) == ("a test", str(address.daemon_socket))
        with pytest.raises(StoreLocked):
            await address.open_owner("another")
        await owner.commit(Commit("sales", events=(event("e1"),)))
        reader = await address.open_reader()
        (tmp_path / "another").mkdir()
        copy = await address.copy_into(tmp_path / "another")
        for store in (owner, reader, copy):
            assert [one.event.id for one in await store.events(EventQuery())] == ["e1"]
        await copy.close()
        with pytest.raises(StoreError):
            await reader.unclaim()
        await reader.close()
    finally:
        await owner.close()
    assert address.exists()
    assert address.holder() is None
