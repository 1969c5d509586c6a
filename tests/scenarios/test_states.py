"""What rules with `for` wait on, in virtual time: each state by itself, each owner anew."""

from __future__ import annotations

import anyio

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from watcher.records import DeliveryQuery


async def test_a_new_owner_has_the_whole_time_again(harness: Harness) -> None:
    account, (first, *_) = quiet(harness)
    anna, ben, *_ = account.agents
    harness.rules = (
        "- {name: owner is slow, when: [conversation.assigned, conversation.reassigned],"
        " for: 15m, repeat: 10m, at_most: 1, notify: crm}"
    )
    harness.world.assign(first, None)
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        harness.world.assign(first, anna)
        await anyio.sleep(10 * 60)
        harness.world.assign(first, ben)
        await anyio.sleep(3600)
    told = [
        (at, body["type"], body["data"]["delivery"]["count"])
        for at, body in zip(harness.inbox.minutes(begun), harness.inbox.bodies, strict=True)
    ]
    assert told == [
        (25, "conversation.reassigned", 1),
        (35, "conversation.reassigned", 2),
    ]
    (over,) = await harness.store.deliveries(DeliveryQuery(state="cancelled"))
    assert over.note == "the assignee changed"


async def test_reading_ends_no_wait_about_the_owner(harness: Harness) -> None:
    account, (first, *_) = quiet(harness)
    harness.rules = (
        "- {name: slow, when: [conversation.unread, conversation.assigned], for: 15m, notify: crm}"
    )
    harness.world.assign(first, None)
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        harness.world.assign(first, account.agents[0])
        await anyio.sleep(10 * 60)
        harness.world.read(first)
        await anyio.sleep(3600)
    assert [body["type"] for body in harness.inbox.bodies] == ["conversation.assigned"]
