"""Rows that a server had not read whole, or was deleting in steps: only what is real is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from tests.scenarios.test_restarts import sqlite
from watcher.model import Doubt
from watcher.records import ConversationQuery
from watcher.simulator import Conversation, chatwoot, leadconnector, leadping

PARTS: list[tuple[Any, ...]] = [("messages",), ("newest",), ("contact",), ("messages", "contact")]


async def written_to(harness: Harness, account: Any, number: int = 3) -> Conversation:
    """Return a conversation in which the customer has just written."""
    conversation: Conversation = list(account.conversations.values())[number]
    if conversation.state.unread:
        harness.world.read(conversation)
        await anyio.sleep(45)
    harness.world.message(conversation, "Hello?")
    await anyio.sleep(30)
    harness.world.message(conversation, "Is it still for sale?")
    return conversation


async def doubts(harness: Harness, count: int) -> list[Doubt]:
    """Return what is doubted, once so many rows are."""
    while True:
        found = await harness.store.doubts("sales")
        if len(found) >= count:
            return list(found.values())
        await anyio.sleep(1)


@pytest.mark.parametrize("parts", PARTS, ids="-".join)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_row_that_is_torn_for_a_while_tells_nothing(
    harness: Harness, provider: str, parts: Any
) -> None:
    harness.poll_every, harness.sweep_every = "10s", "20s"
    account = harness.watch(provider, "sales", "1")
    harness.rules = (
        "- {name: all, when: '*', notify: crm}\n"
        "- {name: late, when: conversation.unread, for: 100s, notify: late}\n"
    )
    late = harness.hear("late")
    async with harness.running():
        await harness.baseline()
        began = harness.clock()
        conversation = await written_to(harness, account)
        await anyio.sleep(30)
        harness.world.tear(conversation, parts)
        await anyio.sleep(45)
        asked = ConversationQuery(ids=(conversation.id,))
        ((_, listed),) = [one async for one in harness.store.each_conversation(asked)]
        assert listed.conversation.unread
        assert listed.conversation.last_message is not None
        assert listed.conversation.contact.name
        harness.world.mend(conversation)
        await anyio.sleep(200)
    assert harness.got() == harness.expect(began)
    assert len(late.of("conversation.unread")) == 1


@pytest.mark.parametrize("with_contact", [False, True], ids=["alone", "with its contact"])
@pytest.mark.parametrize("pause", [3, 25])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_deletion_in_steps_is_told_as_removed_alone(
    harness: Harness, provider: str, pause: int, *, with_contact: bool
) -> None:
    harness.poll_every, harness.sweep_every = "5s", "20s"
    account = harness.watch(provider, "sales", "1")
    async with harness.running():
        await harness.baseline()
        began = harness.clock()
        conversation = await written_to(harness, account)
        await anyio.sleep(60)
        for _ in range(3):
            gone = harness.world.delete_step(conversation, with_contact=with_contact)
            await anyio.sleep(pause)
        assert gone
        await anyio.sleep(400)
    assert harness.got() == harness.expect(began)
    (removed,) = harness.inbox.of("conversation.removed")
    assert removed["data"]["conversation"]["last_message"]["text"] == "Is it still for sale?"
    assert removed["data"]["conversation"]["unread"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_real_loss_is_told_when_it_has_stood_for_a_minute_without_another_sweep(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "10s", "15m"
    account = harness.watch(provider, "sales", "1", conversations=150)
    async with harness.running():
        await harness.baseline()
        conversation = await written_to(harness, account)
        await anyio.sleep(800)
        harness.inbox.bodies.clear()
        harness.world.tear(conversation)
        (doubt,) = await doubts(harness, 1)
        before = (harness.clock() - doubt.since).total_seconds()
        assert before < 2
        await anyio.sleep(57)
        assert harness.got() == []
        await anyio.sleep(20)
        kinds = sorted(one["type"] for one in harness.inbox.conversations)
        assert kinds == ["conversation.read", "conversation.updated"]
        assert await harness.store.doubts("sales") == {}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("down", [5, 30, 300])
@pytest.mark.parametrize("mended", [False, True], ids=["lost", "mended meanwhile"])
async def test_a_restart_within_the_minute_neither_tells_early_nor_forgets(
    harness: Harness, provider: str, tmp_path: Path, down: int, *, mended: bool
) -> None:
    harness.poll_every, harness.sweep_every = "10s", "20s"
    account = harness.watch(provider, "sales", "1")
    async with sqlite(harness, tmp_path / "a.db"), harness.running():
        await harness.baseline()
        conversation = await written_to(harness, account)
        await anyio.sleep(40)
        harness.inbox.bodies.clear()
        harness.world.tear(conversation)
        (doubt,) = await doubts(harness, 1)
    await anyio.sleep(down)
    if mended:
        harness.world.mend(conversation)
    async with sqlite(harness, tmp_path / "a.db"), harness.running():
        await anyio.sleep(max(0.0, 55 - (harness.clock() - doubt.since).total_seconds()))
        if down < 60:
            assert harness.inbox.conversations == []
        await anyio.sleep(60)
        assert await harness.store.doubts("sales") == {}
    kinds = sorted({one["id"]: one["type"] for one in harness.inbox.conversations}.values())
    assert kinds == ([] if mended else ["conversation.read", "conversation.updated"])


async def test_many_rows_in_doubt_are_looked_up_a_few_with_each_poll(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "10s", "15m"
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(850)
        harness.inbox.bodies.clear()
        lost = [one for one in account.conversations.values() if one.state.message][:30]
        for one in lost:
            harness.world.tear(one)
        await doubts(harness, len(lost))
        requests = harness.faults["chatwoot"].log
        before = len(requests)
        await anyio.sleep(60 + 10 * 10 + 15)
        assert await harness.store.doubts("sales") == {}
        looked = [seen for seen in requests[before:] if seen.path.rpartition("/")[2].isdecimal()]
        assert len(looked) == len(lost)
    told = {one["subject"] for one in harness.inbox.of("conversation.updated")}
    assert told == {one.id for one in lost}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_page_that_is_torn_while_it_is_rendered_tells_what_is_real(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "5s", "10s"
    module = {"chatwoot": chatwoot, "highlevel": leadconnector, "leadping": leadping}[provider]
    harness.options[provider] = module.Options(rendering=1.5)
    account = harness.watch(provider, "sales", "1", conversations=20)
    async with harness.running():
        await harness.baseline()
        began = harness.clock()
        # At every moment of a page, in turn: one goes, and another one gets an answer.
        for number, conversation in enumerate(list(account.conversations.values())[:12]):
            await anyio.sleep(30 + 0.37 * number)
            if number % 2:
                harness.world.delete(conversation)
            else:
                harness.world.answer(conversation, f"answer {number}")
        await anyio.sleep(200)
    assert harness.got() == harness.expect(began)


async def test_what_is_mapped_from_a_part_that_is_missing_is_not_told(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "10s", "20s"
    mapped = (
        "    fields:\n"
        "      attributes.words: last_non_activity_message.content\n"
        "      disposition: meta.sender.name\n"
    )
    account = harness.watch("chatwoot", "sales", "1", extra=mapped)
    async with harness.running():
        await harness.baseline()
        conversation = await written_to(harness, account)
        await anyio.sleep(40)
        told = len(harness.inbox.bodies)
        for parts in (("messages",), ("contact",), ("messages", "contact")):
            harness.world.tear(conversation, parts)
            await anyio.sleep(45)
            harness.world.mend(conversation)
            await anyio.sleep(45)
        assert harness.inbox.bodies[told:] == []
        harness.world.tear(conversation)
        await anyio.sleep(120)
    lost = harness.inbox.of("conversation.updated")[-1]["data"]["changes"]
    assert lost["attributes"]["before"]["words"] == "Is it still for sale?"
    assert lost["attributes"]["after"]["words"] is None
