"""What lies on the disk: nothing of who was removed, no text where none is kept, no message for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.records import DeliveryQuery, EventQuery
from watcher.simulator import World, lively
from watcher.simulator.state import Conversation
from watcher.store.sqlite import SqliteStore
from watcher.store.sqlite.packing import unpack

MAPPED = {
    "chatwoot": "    fields:\n      attributes.said: last_non_activity_message.content\n"
    "      attributes.first: messages[0]\n",
    "highlevel": "    fields:\n      attributes.said: \"join(' ', ['-', lastMessageBody || ''])\"\n",
    "leadping": "    fields:\n      attributes.said: lastSnippet\n",
}


def words(world: World) -> Iterator[str]:
    """Yield everything that people wrote in a world."""
    for account in world.accounts.values():
        for conversation in account.conversations.values():
            for _, state in conversation.history:
                yield from (
                    said for one in state.recent for said in (one.text, one.subject) if said
                )


def personal(conversation: Conversation) -> set[str]:
    """Return what a conversation says of a person, as far as rows show it."""
    state = conversation.state
    who, last = state.contact, state.message
    texts = (who.name, who.email, who.phone, last.text if last is not None else None)
    return {text for text in texts if text and len(text) > 4}


def held(folder: Path) -> Iterator[bytes]:
    """Yield what the files of the store hold: their bytes, and each document that is deflated in them,
    wherever it lies.
    """
    for file in folder.glob("watcher.db*"):
        data = file.read_bytes()
        yield data
        for place in range(len(data)):
            if data[place] == 1:  # how a deflated document begins
                with suppress(ValueError):
                    yield unpack(data[place : place + 4096])


def found(folder: Path, texts: Any) -> set[str]:
    """Return which texts stand in any file of the store."""
    everything = b"\0".join(held(folder))
    return {text for text in texts if text.encode() in everything}


async def lived(harness: Harness, steps: int = 25) -> None:
    script = lively(harness.world, Random(11))
    for _ in range(steps):
        script.step()
        await anyio.sleep(150)
    await anyio.sleep(400)


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel", "leadping"])
async def test_no_text_is_stored_or_sent_and_the_events_are_the_same(
    tmp_path: Path, provider: str
) -> None:
    told = []
    for keeps in ("true", "false"):
        folder = tmp_path / keeps
        folder.mkdir()
        store = await SqliteStore.open(folder / "watcher.db")
        harness = Harness(folder, store=store)
        harness.poll_every, harness.sweep_every = "1m", "1m"
        harness.general = f"store_texts: {keeps}\n"
        harness.watch(provider, "sales", "1", conversations=12, extra=MAPPED[provider])
        async with harness.running():
            await harness.baseline()
            await lived(harness)
            texts = {text for text in words(harness.world) if len(text) > 4}
            assert bool(found(folder, texts)) is (keeps == "true")
        events = await store.events(EventQuery(limit=10_000))
        told.append(Counter((one.event.subject, one.event.type) for one in events))
        await store.close()
        assert texts
        assert bool(found(folder, texts)) is (keeps == "true")
        sent = b"".join(harness.inbox.raw).decode()
        assert any(text in sent for text in texts) is (keeps == "true")
    assert told[0] == told[1]
    assert told[0]


async def test_changing_the_setting_is_no_news_and_old_texts_are_overwritten(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "watcher.db")
    harness = Harness(tmp_path, store=store)
    harness.poll_every, harness.sweep_every = "1m", "1m"
    for number, provider in enumerate(MAPPED, 1):
        harness.watch(provider, f"s{number}", f"{number}", 8, extra=MAPPED[provider])
    async with harness.running():
        await harness.baseline()
        await lived(harness, 10)
    texts = {text for text in words(harness.world) if len(text) > 4}
    assert found(tmp_path, texts)
    before = len(await store.events(EventQuery(limit=10_000)))
    for keeps in ("false", "true", "false"):
        harness.general = f"store_texts: {keeps}\n"
        async with harness.running():
            await anyio.sleep(600)
            assert bool(found(tmp_path, texts)) is (keeps == "true")
        assert len(await store.events(EventQuery(limit=10_000))) == before
    await store.close()


async def test_who_was_removed_is_nowhere_once_the_log_has_forgotten(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "watcher.db")
    harness = Harness(tmp_path, store=store)
    harness.poll_every, harness.sweep_every = "30m", "30m"
    harness.general = "retention: {events: 6h, deliveries: 6h}\n"
    accounts = [
        harness.watch(provider, f"s{number}", f"{number}", 8)
        for number, provider in enumerate(MAPPED, 1)
    ]
    async with harness.running():
        await harness.baseline()
        gone: set[str] = set()
        removed: set[str] = set()
        for account in accounts:
            one = next(each for each in account.conversations.values() if each.state.contact.phone)
            gone |= personal(one)
            removed.add(one.id)
            harness.world.delete(one)
        others = {
            text
            for account in accounts
            for one in account.conversations.values()
            if one.id not in removed
            for text in personal(one)
        }
        gone = {text for text in gone if not any(text in other for other in others)}
        assert gone
        assert found(tmp_path, gone) == gone
        await anyio.sleep(3 * 3600)
        assert len(harness.inbox.of("conversation.removed")) == 3
        await anyio.sleep(7 * 3600)
        assert found(tmp_path, gone) == set()
        assert await store.events(EventQuery()) == []
    await store.close()


async def test_a_source_that_is_no_longer_configured_is_forgotten_silently(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "watcher.db")
    harness = Harness(tmp_path, store=store)
    harness.poll_every, harness.sweep_every = "30m", "30m"
    harness.general = "retention: {events: 6h, deliveries: 6h}\n"
    former = harness.watch("chatwoot", "former", "1", 8)
    async with harness.running():
        await harness.baseline()
    names = {name for one in former.conversations.values() if (name := one.state.contact.name)}
    assert found(tmp_path, names) == names
    harness.restart_with()
    harness.watch("leadping", "other", "2", 3)
    async with harness.running():
        await anyio.sleep(3 * 3600)
        assert found(tmp_path, names) == names
        await anyio.sleep(5 * 3600)
    assert found(tmp_path, names) == set()
    told = [(body["source"], body["type"]) for body in harness.inbox.bodies]
    assert told == [
        ("inbox-watcher/former", "source.baselined"), ("inbox-watcher/other", "source.baselined"),
    ]  # fmt: skip
    # Should it come back, it begins anew.
    harness.restart_with()
    harness.watch_again("chatwoot", "former", former)
    async with harness.running():
        await harness.baseline()
    assert [body["type"] for body in harness.inbox.bodies[2:]] == ["source.baselined"]
    ids = [body["id"] for body in harness.inbox.bodies]
    assert len(set(ids)) == 3
    await store.close()


async def test_what_waits_for_ever_is_given_up_where_that_is_asked_for(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "6h", "6h"
    harness.general = "retention: {events: 1d, deliveries: 1d, pending: 3d}\n"
    harness.rules = (
        "- {name: all, when: 'conversation.*', notify: off}\n"
        "- {name: deaths, when: delivery.dead, notify: crm}"
    )
    off = harness.hear("off")
    off.status = 410
    account = harness.watch("chatwoot", "support", "1", conversations=2)
    async with harness.running():
        await harness.baseline()
        conversation = next(iter(account.conversations.values()))
        harness.world.message(conversation, "Hello?")
        # Without the setting they would wait for longer than anything else is kept.
        await anyio.sleep(2.5 * 86400)
        waiting = await harness.store.deliveries(DeliveryQuery(state="pending"))
        assert waiting
        assert harness.inbox.bodies == []
        await anyio.sleep(86400)
        assert await harness.store.deliveries(DeliveryQuery(state="pending")) == []
        dead = await harness.store.deliveries(DeliveryQuery(state="dead"))
        assert {one.key for one in dead} == {one.key for one in waiting}
        reason = "it could not be sent for 3d (`retention.pending`)"
        assert {one.note for one in dead} == {reason}
        assert [body["data"]["reason"] for body in harness.inbox.bodies] == [reason] * len(dead)
        # Then they go like every settled one.
        await anyio.sleep(1.5 * 86400)
        assert await harness.store.deliveries(DeliveryQuery()) == []
        assert await harness.store.events(EventQuery()) == []
