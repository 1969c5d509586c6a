"""A receiver at which everything fails is paused and probed; what waits burns no attempts."""

from __future__ import annotations

import anyio
from stage import Stage
from test_pace import quiet

from watcher.records import DeliveryQuery


async def test_an_outage_burns_no_attempts_and_everything_comes_afterwards(stage: Stage) -> None:
    _account, conversations = quiet(stage, conversations=60, every="1m")
    stage.rules = "- {name: all, when: conversation.message, notify: crm}"
    stage.receivers = ""
    async with stage.running() as daemon:
        await stage.baseline()
        stage.inbox.status = 503
        for conversation in conversations:
            stage.world.message(conversation, "hello?")
        await anyio.sleep(2 * 3600)
        (status,) = daemon.status()["receivers"]
        assert status["paused_until"] is not None
        waiting = await stage.store.deliveries(DeliveryQuery(state="pending"))
        assert len(waiting) == 60
        attempts = sum(one.attempt for one in waiting)
        assert attempts == stage.inbox.attempts
        assert 20 <= attempts <= 45  # eight at once, then a probe every five minutes
        assert max(one.attempt for one in waiting) <= 2
        stage.inbox.status = 200
        await anyio.sleep(3 * 3600)
        (status,) = daemon.status()["receivers"]
        assert status["paused_until"] is None
    assert len(stage.inbox.bodies) == 60


async def test_a_pause_outlives_a_restart_and_a_person_ends_it(stage: Stage) -> None:
    _account, conversations = quiet(stage, conversations=20)
    stage.rules = "- {name: all, when: conversation.message, notify: crm}"
    async with stage.running():
        await stage.baseline()
        stage.inbox.status = 503
        for conversation in conversations:
            stage.world.message(conversation, "hello?")
        await anyio.sleep(600)
        before = stage.inbox.attempts
    async with stage.running() as daemon:
        await anyio.sleep(5)
        assert stage.inbox.attempts == before
        stage.inbox.status = 200
        await daemon.turn_on("crm")
        await anyio.sleep(5)
    assert len(stage.inbox.bodies) >= 10
