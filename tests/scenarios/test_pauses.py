"""A receiver at which everything fails is paused and probed; what waits burns no attempts."""

from __future__ import annotations

import anyio

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from watcher.records import DeliveryQuery


async def test_an_outage_burns_no_attempts_and_everything_comes_afterwards(
    harness: Harness,
) -> None:
    _account, conversations = quiet(harness, conversations=60, every="1m")
    harness.rules = "- {name: all, when: conversation.message, notify: crm}"
    harness.receivers = ""
    async with harness.running() as daemon:
        await harness.baseline()
        harness.inbox.status = 503
        for conversation in conversations:
            harness.world.message(conversation, "hello?")
        await anyio.sleep(2 * 3600)
        (status,) = (await daemon.status())["receivers"]
        assert status["paused_until"] is not None
        waiting = await harness.store.deliveries(DeliveryQuery(state="pending"))
        assert len(waiting) == 60
        attempts = sum(one.attempt for one in waiting)
        assert attempts == harness.inbox.attempts
        assert 20 <= attempts <= 45  # eight at once, then a probe every five minutes
        assert max(one.attempt for one in waiting) <= 2
        harness.inbox.status = 200
        await anyio.sleep(3 * 3600)
        (status,) = (await daemon.status())["receivers"]
        assert status["paused_until"] is None
    assert len(harness.inbox.bodies) == 60


async def test_a_test_message_that_arrives_ends_a_pause(harness: Harness) -> None:
    _account, conversations = quiet(harness, conversations=20)
    harness.rules = "- {name: all, when: conversation.message, notify: crm}"
    async with harness.running() as daemon:
        await harness.baseline()
        harness.inbox.status = 503
        for conversation in conversations:
            harness.world.message(conversation, "hello?")
        await anyio.sleep(600)
        refused = await daemon.send_test("crm")
        assert (refused["outcome"], refused["turned_on"]) == ("failed", False)
        (status,) = (await daemon.status())["receivers"]
        assert status["paused_until"] is not None
        harness.inbox.status = 200
        assert (await daemon.send_test("crm"))["outcome"] == "ok"
        await anyio.sleep(5)
    assert len(harness.inbox.bodies) >= 10


async def test_a_pause_outlives_a_restart_and_a_person_ends_it(harness: Harness) -> None:
    _account, conversations = quiet(harness, conversations=20)
    harness.rules = "- {name: all, when: conversation.message, notify: crm}"
    async with harness.running():
        await harness.baseline()
        harness.inbox.status = 503
        for conversation in conversations:
            harness.world.message(conversation, "hello?")
        await anyio.sleep(600)
        before = harness.inbox.attempts
    async with harness.running() as daemon:
        await anyio.sleep(5)
        assert harness.inbox.attempts == before
        harness.inbox.status = 200
        await daemon.turn_on("crm")
        await anyio.sleep(5)
    assert len(harness.inbox.bodies) >= 10
