"""What a source is foreseen to ask for is what it asks for, hour after hour."""

from __future__ import annotations

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.poller.request_plan import RequestPlan, estimate
from watcher.simulator import chatwoot

HOURS = 2


async def estimated(harness: Harness, name: str) -> RequestPlan:
    """Reckon as `status` does, from the store."""
    source = harness.daemon.pollers[name].plan
    plan = estimate(
        name,
        source.provider,
        poll_every=source.poll_every,
        sweep_every=source.sweep_every,
        conversations=len(await harness.store.present_ids(name)),
        sets={one: len(await harness.store.ids_in_set(name, one)) for one in source.provider.sets},
    )
    assert plan is not None
    return plan


async def compare(harness: Harness, kind: str) -> RequestPlan:
    """Run a quiet inbox for some hours; what is asked for may differ from what is foreseen by one
    poll and one sweep, between which the hours begin and end.

    No sweep begins at the moment of a poll: which of the two goes first would hang on milliseconds.
    """
    harness.poll_every, harness.sweep_every = "4m", "23m"
    harness.restart_with()
    harness.watch_again(
        kind, "sales", harness.world.of_kind("highlevel" if kind == "leadway" else kind)[0]
    )
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(120)
        log = harness.faults["highlevel" if kind == "leadway" else kind].log
        before = len(log)
        await anyio.sleep(HOURS * 3600)
        asked = len(log) - before
        plan = await estimated(harness, "sales")
    assert abs(asked - HOURS * plan.hourly) <= plan.poll + plan.sweep, (asked, plan)
    return plan


@pytest.mark.parametrize("count", [0, 100, 101, 260])
@pytest.mark.parametrize("provider", ["leadping", "highlevel", "leadway", "chatwoot"])
async def test_what_is_foreseen_is_what_is_asked_for(
    harness: Harness, provider: str, count: int
) -> None:
    harness.watch(provider, "sales", "1", conversations=count)
    await compare(harness, provider)


@pytest.mark.parametrize(("count", "poll", "sweep"), [(150, 5, 2), (310, 1, 10)])
async def test_id_sets_cost_what_they_are_foreseen_to_cost(
    harness: Harness, count: int, poll: int, sweep: int
) -> None:
    """Up to three pages a set is part of every poll; a larger one is tried after each sweep."""
    account = harness.watch("highlevel", "sales", "1", conversations=count)
    for conversation in account.conversations.values():
        harness.world.assign(conversation, None)
        harness.world.mark_unread(conversation)
    plan = await compare(harness, "highlevel")
    assert (plan.poll, plan.sweep) == (poll, sweep)


async def test_an_installation_with_larger_pages_is_known_to_have_them(harness: Harness) -> None:
    harness.options["chatwoot"] = chatwoot.Options(page_size=100)
    harness.watch("chatwoot", "sales", "1", conversations=230)
    async with harness.running():
        await harness.baseline()
        plan = await estimated(harness, "sales")
    assert (plan.poll, plan.sweep) == (1, 3)


async def test_a_lively_inbox_asks_for_little_more(harness: Harness) -> None:
    """Twelve messages an hour: what they cost besides stays below a tenth."""
    harness.poll_every = "1m"
    account = harness.watch("highlevel", "sales", "1", conversations=40)
    conversations = list(account.conversations.values())
    async with harness.running():
        await harness.baseline()
        log = harness.faults["highlevel"].log
        before = len(log)
        for number in range(HOURS * 12):
            harness.world.message(conversations[number], "hello")
            await anyio.sleep(300)
        asked = len(log) - before
        plan = await estimated(harness, "sales")
    assert HOURS * plan.hourly * 0.98 <= asked <= HOURS * plan.hourly * 1.1
