"""Removals on busy accounts: told within three sweeps, nothing invented, and few look-ups.

Two changes a second among 300 conversations, and half a second an answer: the order moves under each
walk, and before Chatwoot 3.4 no order stands still.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.pipeline.sweep import LOOK_UPS
from watcher.simulator import Account, Conversation, Fault, World, faults

SWEEP = 120
"""Seconds from one sweep to the next."""

BUSY = 0.5
"""Seconds from one change to the next."""


@contextlib.asynccontextmanager
async def bustle(world: World, account: Account) -> AsyncIterator[None]:
    """Have customers and agents write for the length of the block."""
    rng = Random(7)

    async def write() -> None:
        while True:
            await anyio.sleep(BUSY)
            chosen = rng.choice(account.living())
            world.message(chosen, f"{rng.random()}", rng.choice(["inbound", "outbound"]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        yield
        tasks.cancel_scope.cancel()


def removals(harness: Harness) -> dict[str, datetime]:
    """Return when each removal was told."""
    told = zip(harness.inbox.bodies, harness.inbox.times, strict=True)
    return {one["subject"]: at for one, at in told if one["type"] == "conversation.removed"}


def look_ups(harness: Harness, kind: str) -> int:
    """Return how many conversations were asked for by themselves."""
    lists = {"chatwoot": "/conversations", "highlevel": "/search", "leadping": "/my"}
    asked = [seen.path for seen in harness.faults[kind].log if seen.path != "/api"]
    return sum(not path.endswith(lists[kind]) for path in asked)


def miscounting(by: int) -> Fault:
    """Answer with another count than there are rows, so that no walk seems whole."""

    def alter(body: bytes) -> bytes:
        whole: dict[str, Any] = json.loads(body)
        if "data" in whole:
            whole["data"]["meta"]["all_count"] += by
        return json.dumps(whole).encode()

    return Fault(alter=alter, delay=0.5)


@pytest.mark.parametrize(
    ("kind", "version", "count"),
    [
        ("chatwoot", (2, 16, 0), "right"),
        ("chatwoot", (2, 16, 0), "too high"),
        ("chatwoot", (3, 16, 0), "right"),
        ("chatwoot", (4, 15, 1), "right"),
        ("chatwoot", (4, 15, 1), "too high"),
        ("highlevel", None, "right"),
        ("leadping", None, "right"),
    ],
)
async def test_a_removal_on_a_busy_account_is_told_within_three_sweeps(
    harness: Harness, kind: str, version: Any, count: str
) -> None:
    """Also where the list counts rows that it never shows, so that no walk seems whole."""
    harness.poll_every, harness.sweep_every = "30s", f"{SWEEP}s"
    account = harness.watch(kind, "sales", "1", conversations=300)
    if version is not None:
        harness.world.install(account, version)
    harness.serve()
    harness.faults[kind].plan(miscounting(500) if count == "too high" else faults.slow(0.5))
    gone: dict[str, datetime] = {}
    async with harness.running():
        await harness.baseline()
        async with bustle(harness.world, account):
            for seconds in (50, 30):
                await anyio.sleep(seconds)
                gone |= await delete(harness, account.living()[11])
            await anyio.sleep(3 * SWEEP)
    told = removals(harness)
    assert told.keys() == gone.keys()
    assert all(told[key] - at <= timedelta(seconds=3 * SWEEP) for key, at in gone.items())
    assert look_ups(harness, kind) <= 4 * LOOK_UPS


async def delete(harness: Harness, conversation: Conversation) -> dict[str, datetime]:
    """Delete a conversation as servers do it, in jobs; return when it was gone, by its id."""
    for _ in range(2):
        harness.world.delete_step(conversation)
        await anyio.sleep(2)
    assert harness.world.delete_step(conversation)
    return {conversation.id: harness.clock()}


async def test_of_a_crowd_that_the_list_hides_the_one_that_is_gone_is_found(
    harness: Harness,
) -> None:
    """The list shows half of its rows and counts all: nothing is concluded from that. Some rows a sweep
    are looked up, each in its turn, and the one whose look-up says so is gone.
    """
    harness.poll_every, harness.sweep_every = "1m", "2m"
    account = harness.watch("chatwoot", "sales", "1", conversations=300)
    async with harness.running():
        await harness.baseline()
        hidden = [one.id for one in account.living()[:150]]
        harness.faults["chatwoot"].plan(
            faults.without(*hidden), lambda seen: seen.path.endswith("/conversations")
        )
        (gone,) = (await delete(harness, account.conversations[hidden[77]])).keys()
        sweeps = 2 + -(-150 // LOOK_UPS)
        await anyio.sleep(sweeps * 120 + 60)
        asked = [seen.path.rpartition("/")[2] for seen in harness.faults["chatwoot"].log]
        alone = [path for path in asked if path.isdigit()]
        assert set(alone[:150]) == set(hidden)
        assert len(alone) <= sweeps * LOOK_UPS
    assert list(removals(harness)) == [gone]
    assert {body["type"] for body in harness.inbox.conversations} == {"conversation.removed"}


@pytest.mark.parametrize("kind", ["highlevel", "leadping"])
async def test_a_listing_that_lacks_sixty_rows_costs_a_sample_of_look_ups(
    harness: Harness, kind: str
) -> None:
    """Sixty of seven hundred are not implausible. Before, each was looked up: 60 and more requests."""
    harness.poll_every, harness.sweep_every = "30s", "5m"
    account = harness.watch(kind, "sales", "1", conversations=700)
    async with harness.running():
        await harness.baseline()
        hidden = [one.id for one in account.living()[:600:10]]
        harness.faults[kind].plan(faults.without(*hidden))
        before = look_ups(harness, kind)
        await anyio.sleep(310)
        cost = look_ups(harness, kind) - before
        harness.faults[kind].clear()
        gone = account.living()[0:600:20]
        for one in gone:
            harness.world.delete(one)
        await anyio.sleep(700)
    assert set(removals(harness)) == {one.id for one in gone}
    assert {body["type"] for body in harness.inbox.conversations} == {"conversation.removed"}
    assert 0 < cost <= 12, cost


@pytest.mark.parametrize("code", [500, 502, 429])
async def test_a_look_up_that_fails_for_a_moment_is_made_again(harness: Harness, code: int) -> None:
    """While a conversation is deleted its look-up answers 500: that is no proof and no trouble."""
    harness.poll_every, harness.sweep_every = "1m", "10m"
    account = harness.watch("chatwoot", "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        one, other = account.living()[3:5]
        for each in (one, other):
            harness.world.delete(each)
        tries: list[str] = []

        def first_tries(seen: faults.Seen) -> bool:
            if not seen.path.endswith(f"/{one.id}"):
                return False
            tries.append(seen.path)
            return len(tries) < 3

        harness.faults["chatwoot"].plan(faults.status(code), first_tries)
        await anyio.sleep(900)
        assert len(tries) == 3
    assert set(removals(harness)) == {one.id, other.id}
    assert harness.inbox.own == ["source.baselined"]
