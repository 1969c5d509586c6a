"""A provider that fails, lies or hangs: nothing is lost, nothing is invented, and it is told once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.simulator import Fault, faults, lively

TROUBLES: dict[str, Callable[[], Fault]] = {
    "server errors": lambda: faults.status(500),
    "unavailable with a wish": lambda: faults.status(503, 20),
    "too many requests": lambda: faults.status(429),
    "an HTML page with status 200": lambda: faults.html(200),
    "JSON cut in half": faults.truncated,
    "no answer at all": faults.hang,
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_an_outage_is_told_once_and_loses_nothing(
    harness: Harness, provider: str, trouble: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "1m"
    harness.watch(provider, "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        script = lively(harness.world, Random(4))
        harness.faults[provider].plan(TROUBLES[trouble]())
        await anyio.sleep(3600)
        harness.faults[provider].clear()
        await anyio.sleep(1200)
        for _ in range(5):
            script.step()
            await anyio.sleep(150)
        await anyio.sleep(300)
    assert harness.got() == harness.expect()
    kinds = [b["type"] for b in harness.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined", "source.failing", "source.recovered"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_what_changes_during_an_outage_is_reported_afterwards(
    harness: Harness, provider: str, trouble: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "1m"
    account = harness.watch(provider, "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(TROUBLES[trouble]())
        await anyio.sleep(300)
        for conversation in list(account.conversations.values())[:4]:
            harness.world.message(conversation, "are you there?")
        await anyio.sleep(4 * 3600 if provider == "chatwoot" else 3600)
        harness.faults[provider].clear()
        await anyio.sleep(1800)
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_single_fault_is_not_worth_a_word(harness: Harness, provider: str) -> None:
    harness.watch(provider, "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        alone = range(20, 600, 13)
        harness.faults[provider].plan(faults.status(502), faults.requests(*alone))
        script = lively(harness.world, Random(4))
        for _ in range(20):
            script.step()
            await anyio.sleep(330)
        await anyio.sleep(900)
    assert harness.got() == harness.expect()
    kinds = [b["type"] for b in harness.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_suddenly_empty_list_is_held_and_then_nothing_happened(
    harness: Harness, provider: str
) -> None:
    harness.watch(provider, "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        lie_ends = harness.clock() + timedelta(minutes=6)
        harness.faults[provider].plan(faults.empty(), faults.between(harness.clock(), lie_ends))
        await anyio.sleep(1800)
    assert harness.got() == []
    kinds = [b["type"] for b in harness.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined", "source.held", "source.released"]
    assert harness.inbox.of("source.released")[0]["data"]["outcome"] == "disagreed"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_shuffled_list_changes_nothing(harness: Harness, provider: str) -> None:
    harness.watch(provider, "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.shuffled(3))
        await anyio.sleep(3600)
        harness.faults[provider].clear()
        await anyio.sleep(1800)
    assert harness.got() == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_row_that_the_list_forgets_but_the_provider_has_is_not_removed(
    harness: Harness, provider: str
) -> None:
    account = harness.watch(provider, "sales", "1", conversations=12)
    async with harness.running():
        await harness.baseline()
        name = next(iter(account.conversations))
        listing = {"leadping": "/my", "highlevel": "/search", "chatwoot": "/conversations"}[
            provider
        ]
        harness.faults[provider].plan(
            faults.without(name), faults.where(lambda seen: seen.path.endswith(listing))
        )
        await anyio.sleep(1000 if provider != "leadping" else 400)
        harness.faults[provider].clear()
        await anyio.sleep(1800)
    assert harness.got() == []


async def test_many_deleted_at_once_are_held_until_the_next_sweep_agrees(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        for conversation in list(account.conversations.values())[:30]:
            harness.world.delete(conversation)
        await anyio.sleep(3600)
    assert harness.got() == harness.expect()
    assert all(body["data"]["held"] for body in harness.inbox.of("conversation.removed"))
    assert len(harness.inbox.of("source.held")) == 1
    assert harness.inbox.of("source.released")[0]["data"]["outcome"] == "agreed"


async def test_a_refused_token_is_told_at_once_with_a_remedy(harness: Harness) -> None:
    harness.watch("highlevel", "sales", "loc", conversations=5)
    async with harness.running():
        await harness.baseline()
        harness.faults["highlevel"].plan(faults.status(401))
        await anyio.sleep(60)
        told = harness.inbox.of("source.failing")
        assert len(told) == 1
        assert told[0]["data"]["remedy"]
        requests = len(harness.faults["highlevel"].log)
        await anyio.sleep(600)
        assert len(harness.faults["highlevel"].log) - requests < 12
        harness.faults["highlevel"].clear()
        await anyio.sleep(600)
    assert len(harness.inbox.of("source.recovered")) == 1


async def test_an_orphan_blinds_neither_polls_nor_sweeps(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=80)
    conversations = list(account.conversations.values())
    async with harness.running():
        await harness.baseline()
        harness.world.orphan(conversations[40])
        await anyio.sleep(3600)
        harness.world.message(conversations[3], "hello?")
        await anyio.sleep(1200)
        messages = [b["subject"] for b in harness.inbox.of("conversation.message")]
        assert messages == [conversations[3].state.id]
        assert harness.inbox.of("conversation.removed") == []
        assert len(harness.inbox.of("source.held")) == 1
        harness.world.orphan(conversations[40], False)
        await anyio.sleep(1800)
    assert harness.inbox.of("source.released")[0]["data"]["outcome"] == "mended"


async def test_our_own_network_is_told_instead_of_every_source(harness: Harness) -> None:
    for provider in PROVIDERS:
        harness.watch(provider, provider, "1", conversations=5)
    async with harness.running():
        await harness.baseline()

        def refuse(_seen: object) -> bool:
            raise ConnectionRefusedError(111, "Connection refused")

        for provider in PROVIDERS:
            harness.faults[provider].plan(faults.status(500), refuse)
        await anyio.sleep(3600)
        for provider in PROVIDERS:
            harness.faults[provider].clear()
        await anyio.sleep(900)
    kinds = harness.inbox.own
    assert kinds.count("watcher.network_failing") == 1
    assert kinds.count("watcher.network_recovered") == 1
    assert "source.failing" not in kinds
