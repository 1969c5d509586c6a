"""Somebody else writes between our reading and our commit: read again, decide again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import anyio

from tests.scenarios.harness import Harness
from watcher.model import Snapshot
from watcher.records import Commit, Recorded
from watcher.store.memory import MemoryStore


class Crowded(MemoryStore):
    """A store in which another writer is now and then quicker: what it writes changes nothing that
    anybody is told of, but every snapshot's revision.
    """

    def __init__(self, when: Callable[[int], bool]) -> None:
        super().__init__()
        self.met = 0
        self._when = when
        self._read: Sequence[Snapshot] = ()
        self._commits = 0

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        known = await super().known(source, ids)
        self._read = tuple(known.values())
        return known

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        self._commits += bool(commit.events)
        theirs = {one.conversation.id for one in self._read}
        moved = [one.conversation.id for one in commit.snapshots if one.revision > 1]
        if commit.events and theirs & set(moved) and self._when(self._commits):
            self.met += 1
            quicker = [dataclasses.replace(one, revision=one.revision + 1) for one in self._read]
            await super().commit(Commit(commit.source, snapshots=tuple(quicker)))
        return await super().commit(commit)


async def test_a_page_that_meets_another_writer_is_decided_again(harness: Harness) -> None:
    store = Crowded(lambda number: number % 2 == 1)
    harness.store = store
    account = harness.watch("chatwoot", "sales", "1", conversations=20)
    async with harness.running():
        await harness.baseline()
        for conversation in account.living()[:8]:
            harness.world.message(conversation, "hello?")
            await anyio.sleep(60)
        await anyio.sleep(900)
    assert store.met > 3
    assert harness.got() == harness.expect()


async def test_a_removal_that_meets_another_writer_waits_for_the_next_sweep(
    harness: Harness,
) -> None:
    met: list[int] = []

    def once(number: int) -> bool:
        met.append(number)
        return len(met) == 1

    harness.store = store = Crowded(once)
    account = harness.watch("chatwoot", "sales", "1", conversations=20)
    async with harness.running():
        await harness.baseline()
        harness.world.delete(account.living()[4])
        await anyio.sleep(1200)
    assert store.met == 1
    assert harness.got() == harness.expect()
    assert [body["type"] for body in harness.inbox.conversations] == ["conversation.removed"]
