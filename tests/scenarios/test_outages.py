"""A provider that fails, lies or hangs: nothing is lost, nothing is invented, and it is told once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import anyio
import pytest
from stage import PROVIDERS, Stage

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
    stage: Stage, provider: str, trouble: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "1m"
    stage.watch(provider, "sales", "1", conversations=30)
    async with stage.running():
        await stage.baseline()
        script = lively(stage.world, Random(4))
        stage.faults[provider].plan(TROUBLES[trouble]())
        await anyio.sleep(3600)
        stage.faults[provider].clear()
        await anyio.sleep(1200)
        for _ in range(5):
            script.step()
            await anyio.sleep(150)
        await anyio.sleep(300)
    assert stage.got() == stage.expect()
    kinds = [b["type"] for b in stage.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined", "source.failing", "source.recovered"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_what_changes_during_an_outage_is_reported_afterwards(
    stage: Stage, provider: str, trouble: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "1m"
    account = stage.watch(provider, "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(TROUBLES[trouble]())
        await anyio.sleep(300)
        for conversation in list(account.conversations.values())[:4]:
            stage.world.message(conversation, "are you there?")
        await anyio.sleep(4 * 3600 if provider == "chatwoot" else 3600)
        stage.faults[provider].clear()
        await anyio.sleep(1800)
    assert stage.got() == stage.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_single_fault_is_not_worth_a_word(stage: Stage, provider: str) -> None:
    stage.watch(provider, "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        alone = range(20, 600, 13)
        stage.faults[provider].plan(faults.status(502), faults.requests(*alone))
        script = lively(stage.world, Random(4))
        for _ in range(20):
            script.step()
            await anyio.sleep(330)
        await anyio.sleep(900)
    assert stage.got() == stage.expect()
    kinds = [b["type"] for b in stage.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_suddenly_empty_list_is_held_and_then_nothing_happened(
    stage: Stage, provider: str
) -> None:
    stage.watch(provider, "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        lie_ends = stage.clock() + timedelta(minutes=6)
        stage.faults[provider].plan(faults.empty(), faults.between(stage.clock(), lie_ends))
        await anyio.sleep(1800)
    assert stage.got() == []
    kinds = [b["type"] for b in stage.inbox.bodies if b["type"].startswith("source.")]
    assert kinds == ["source.baselined", "source.held", "source.released"]
    assert stage.inbox.of("source.released")[0]["data"]["outcome"] == "disagreed"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_shuffled_list_changes_nothing(stage: Stage, provider: str) -> None:
    stage.watch(provider, "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(faults.shuffled(3))
        await anyio.sleep(3600)
        stage.faults[provider].clear()
        await anyio.sleep(1800)
    assert stage.got() == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_row_that_the_list_forgets_but_the_provider_has_is_not_removed(
    stage: Stage, provider: str
) -> None:
    account = stage.watch(provider, "sales", "1", conversations=12)
    async with stage.running():
        await stage.baseline()
        name = next(iter(account.conversations))
        listing = {"leadping": "/my", "highlevel": "/search", "chatwoot": "/conversations"}[
            provider
        ]
        stage.faults[provider].plan(
            faults.without(name), faults.where(lambda seen: seen.path.endswith(listing))
        )
        await anyio.sleep(1000 if provider != "leadping" else 400)
        stage.faults[provider].clear()
        await anyio.sleep(1800)
    assert stage.got() == []


async def test_many_deleted_at_once_are_held_until_the_next_sweep_agrees(stage: Stage) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=60)
    async with stage.running():
        await stage.baseline()
        for conversation in list(account.conversations.values())[:30]:
            stage.world.delete(conversation)
        await anyio.sleep(3600)
    assert stage.got() == stage.expect()
    assert all(body["data"]["held"] for body in stage.inbox.of("conversation.removed"))
    assert len(stage.inbox.of("source.held")) == 1
    assert stage.inbox.of("source.released")[0]["data"]["outcome"] == "agreed"


async def test_a_refused_token_is_told_at_once_with_a_remedy(stage: Stage) -> None:
    stage.watch("highlevel", "sales", "loc", conversations=5)
    async with stage.running():
        await stage.baseline()
        stage.faults["highlevel"].plan(faults.status(401))
        await anyio.sleep(60)
        told = stage.inbox.of("source.failing")
        assert len(told) == 1
        assert told[0]["data"]["remedy"]
        requests = len(stage.faults["highlevel"].log)
        await anyio.sleep(600)
        assert len(stage.faults["highlevel"].log) - requests < 12
        stage.faults["highlevel"].clear()
        await anyio.sleep(600)
    assert len(stage.inbox.of("source.recovered")) == 1


async def test_an_orphan_blinds_neither_polls_nor_sweeps(stage: Stage) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=80)
    conversations = list(account.conversations.values())
    async with stage.running():
        await stage.baseline()
        stage.world.orphan(conversations[40])
        await anyio.sleep(3600)
        stage.world.message(conversations[3], "hello?")
        await anyio.sleep(1200)
        messages = [b["subject"] for b in stage.inbox.of("conversation.message")]
        assert messages == [conversations[3].state.id]
        assert stage.inbox.of("conversation.removed") == []
        assert len(stage.inbox.of("source.held")) == 1
        stage.world.orphan(conversations[40], False)
        await anyio.sleep(1800)
    assert stage.inbox.of("source.released")[0]["data"]["outcome"] == "mended"


async def test_our_own_network_is_told_instead_of_every_source(stage: Stage) -> None:
    for provider in PROVIDERS:
        stage.watch(provider, provider, "1", conversations=5)
    async with stage.running():
        await stage.baseline()

        def refuse(_seen: object) -> bool:
            raise ConnectionRefusedError(111, "Connection refused")

        for provider in PROVIDERS:
            stage.faults[provider].plan(faults.status(500), refuse)
        await anyio.sleep(3600)
        for provider in PROVIDERS:
            stage.faults[provider].clear()
        await anyio.sleep(900)
    kinds = stage.inbox.own
    assert kinds.count("watcher.network_failing") == 1
    assert kinds.count("watcher.network_recovered") == 1
    assert "source.failing" not in kinds
