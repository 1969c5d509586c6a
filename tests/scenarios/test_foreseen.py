"""What a source is foreseen to ask for is what it asks for, hour after hour."""

from __future__ import annotations

import anyio
import pytest
from stage import Stage

from watcher.poller.demand import Demand, foresee
from watcher.simulator import chatwoot

HOURS = 2


async def reckon(stage: Stage, name: str) -> Demand:
    """Reckon as `status` does, from the store."""
    plan = stage.daemon.pollers[name].plan
    demand = foresee(
        name,
        plan.provider,
        poll_every=plan.poll_every,
        sweep_every=plan.sweep_every,
        conversations=len(await stage.store.present_ids(name)),
        sets={one: len(await stage.store.ids_in_set(name, one)) for one in plan.provider.sets},
    )
    assert demand is not None
    return demand


async def compare(stage: Stage, kind: str) -> Demand:
    """Run a quiet inbox for some hours; what is asked for may differ from what is foreseen by one
    poll and one sweep, between which the hours begin and end.
    """
    stage.poll_every, stage.sweep_every = "4m", "24m"
    stage.restart_with()
    stage.watch_again(
        kind, "sales", stage.world.of_kind("highlevel" if kind == "leadway" else kind)[0]
    )
    async with stage.running():
        await stage.baseline()
        await anyio.sleep(120)
        log = stage.faults["highlevel" if kind == "leadway" else kind].log
        before = len(log)
        await anyio.sleep(HOURS * 3600)
        asked = len(log) - before
        demand = await reckon(stage, "sales")
    assert abs(asked - HOURS * demand.hourly) <= demand.poll + demand.sweep, (asked, demand)
    return demand


@pytest.mark.parametrize("count", [0, 100, 101, 260])
@pytest.mark.parametrize("provider", ["leadping", "highlevel", "leadway", "chatwoot"])
async def test_what_is_foreseen_is_what_is_asked_for(
    stage: Stage, provider: str, count: int
) -> None:
    stage.watch(provider, "sales", "1", conversations=count)
    await compare(stage, provider)


@pytest.mark.parametrize(("count", "poll", "sweep"), [(150, 5, 2), (310, 1, 10)])
async def test_id_sets_cost_what_they_are_foreseen_to_cost(
    stage: Stage, count: int, poll: int, sweep: int
) -> None:
    """Up to three pages a set is part of every poll; a larger one is tried after each sweep."""
    account = stage.watch("highlevel", "sales", "1", conversations=count)
    for conversation in account.conversations.values():
        stage.world.assign(conversation, None)
        stage.world.mark_unread(conversation)
    demand = await compare(stage, "highlevel")
    assert (demand.poll, demand.sweep) == (poll, sweep)


async def test_an_installation_with_larger_pages_is_known_to_have_them(stage: Stage) -> None:
    stage.options["chatwoot"] = chatwoot.Options(page_size=100)
    stage.watch("chatwoot", "sales", "1", conversations=230)
    async with stage.running():
        await stage.baseline()
        demand = await reckon(stage, "sales")
    assert (demand.poll, demand.sweep) == (1, 3)


async def test_a_lively_inbox_asks_for_little_more(stage: Stage) -> None:
    """Twelve messages an hour: what they cost besides stays below a tenth."""
    stage.poll_every = "1m"
    account = stage.watch("highlevel", "sales", "1", conversations=40)
    conversations = list(account.conversations.values())
    async with stage.running():
        await stage.baseline()
        log = stage.faults["highlevel"].log
        before = len(log)
        for number in range(HOURS * 12):
            stage.world.message(conversations[number], "hello")
            await anyio.sleep(300)
        asked = len(log) - before
        demand = await reckon(stage, "sales")
    assert HOURS * demand.hourly * 0.98 <= asked <= HOURS * demand.hourly * 1.1
