"""Killed at any moment and started again: nothing lost, nothing reported twice under another id."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.model import rfc3339
from watcher.simulator import World, lively
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore


def reported(harness: Harness) -> list[Any]:
    """What the receiver accepted, repeats under the same id dropped as a receiver would."""
    once = {body["id"]: body for body in harness.inbox.bodies}
    harness.inbox.bodies = list(once.values())
    return harness.got()


@contextlib.asynccontextmanager
async def sqlite(harness: Harness, path: Path) -> Any:
    store = await SqliteStore.open(path)
    harness.store = store
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_restarts_at_any_time_with_the_real_store(
    harness: Harness, provider: str, tmp_path: Path
) -> None:
    harness.watch(provider, "sales", "1", conversations=30)
    script = lively(harness.world, Random(6))
    chance = Random(2)
    async with sqlite(harness, tmp_path / "a.db"), harness.running():
        await harness.baseline()
    for _ in range(12):
        script.step()
        await anyio.sleep(400)
        async with sqlite(harness, tmp_path / "a.db"), harness.running():
            await anyio.sleep(330 + chance.random() * 400)
    assert reported(harness) == harness.expect()
    assert len(harness.inbox.of("source.baselined")) == 1


class Killed(Exception):
    """The process dies here."""


class Mortal:
    """A store whose user dies at the n-th call, before or after it was carried out."""

    def __init__(self, store: MemoryStore, call: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, call, after

    def writing(self, key: str) -> None:
        """Note whose message is written: at once, as the store does."""
        self._store.writing(key)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            result = await method(*args, **kwargs)
            if self._left == 0:
                raise Killed
            return result

        return call


def dress(world: World, account: Any) -> None:
    """Let a little of everything happen."""
    names = list(account.conversations.values())
    world.message(names[0], "hello?")
    world.read(names[1])
    if account.kind != "leadping":
        world.assign(names[2], account.agents[0])
    world.archive(names[3])
    world.delete(names[4])
    world.create(account, "I am new here")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_killed_around_every_call_of_the_store(
    tmp_path: Path, provider: str, after: bool
) -> None:
    calls = 0
    while True:
        calls += 3 if calls > 12 else 1
        harness = Harness(tmp_path, seed=calls)
        harness.poll_every, harness.sweep_every = "30s", "1m"
        account = harness.watch(provider, "sales", "1", conversations=8)
        kept = MemoryStore()
        harness.store = Mortal(kept, calls, after=after)  # type: ignore[assignment]
        died = False
        try:
            async with harness.running():
                await harness.baseline()
                dress(harness.world, account)
                await anyio.sleep(150)  # a sweep after the one that misses what is gone
        except* Killed:
            died = True
        if died and not harness.world.truth.entries:
            harness.store = kept
            async with harness.running():
                await harness.baseline()
            dress(harness.world, account)
        harness.store = kept
        async with harness.running():
            await anyio.sleep(300)
        assert reported(harness) == harness.expect(), f"killed at call {calls}"
        if not died:
            assert calls > 12
            return


async def test_a_copy_of_the_store_from_before_gives_the_same_ids(
    harness: Harness, tmp_path: Path
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=10)
    path = tmp_path / "a.db"
    async with sqlite(harness, path), harness.running():
        await harness.baseline()
    backup = path.read_bytes()
    dress(harness.world, account)
    for _ in range(2):  # what is seen after the copy was taken, and again from the copy
        path.write_bytes(backup)
        async with sqlite(harness, path), harness.running():
            await anyio.sleep(900)
    ids = [body["id"] for body in harness.inbox.conversations]
    assert len(ids) > 5
    assert all(ids.count(one) == 2 for one in ids)


async def test_another_account_under_the_same_name_begins_anew(harness: Harness) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=6)
    async with harness.running():
        await harness.baseline()
    harness.restart_with()
    other = harness.watch("chatwoot", "sales", "2", conversations=4)
    async with harness.running():
        await anyio.sleep(60)
        calm = [one for one in other.living() if one.state.waiting_since is None]
        harness.world.archive(next(one for one in calm if not one.state.archived))
        await anyio.sleep(600)
    assert [b["type"] for b in harness.inbox.bodies] == [
        "source.baselined",
        "source.baselined",
        "conversation.archived",
    ]


async def test_a_field_that_is_newly_mapped_is_taken_over_silently(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=6)
    for conversation in account.conversations.values():
        harness.world.set_attribute(conversation, "outcome", "won")
    async with harness.running():
        await harness.baseline()
    harness.restart_with()
    extra = "    fields: {disposition: custom_attributes.outcome}\n"
    harness.watch_again("chatwoot", "sales", account, extra)
    async with harness.running():
        await anyio.sleep(900)
        assert harness.inbox.conversations == []
        harness.world.set_attribute(next(iter(account.conversations.values())), "outcome", "lost")
        await anyio.sleep(900)
    (event,) = harness.inbox.conversations
    assert event["type"] == "conversation.disposition_changed"
    assert event["data"]["changes"]["disposition"]["before"]["label"] == "won"
    assert event["data"]["changes"]["disposition"]["after"]["label"] == "lost"


async def test_what_came_while_nobody_watched_is_said_to_have_come_then(harness: Harness) -> None:
    account = harness.watch("highlevel", "sales", "1", conversations=6)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(300)
    stopped = harness.clock()
    await anyio.sleep(3600)
    harness.world.create(account, "anybody there?")
    await anyio.sleep(3600)
    async with harness.running():
        await anyio.sleep(300)
    (created,) = harness.inbox.of("conversation.created")
    observed = created["data"]["observed"]
    assert observed["after"] <= rfc3339(stopped) < observed["before"]
