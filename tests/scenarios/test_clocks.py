"""The machine's clock is set back and ahead, while the watcher runs and between runs: no event is
invented, nothing waits for as long as the jump, nothing fires early, the log is not emptied.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from stage import Stage
from support.virtual_time import VirtualClock

from watcher.pipeline import room
from watcher.records import EventQuery
from watcher.simulator import Dated

DAY = timedelta(days=1)


class SetClock:
    """The watcher's own clock, which somebody sets; the world keeps the true one."""

    def __init__(self) -> None:
        self.true = VirtualClock()
        self.off = timedelta(0)

    def __call__(self) -> datetime:
        return self.true() + self.off


class ClockStage(Stage):
    """A stage whose watcher has a clock of its own, and whose providers send their `Date`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock: Any = SetClock()

    def serve(self) -> dict[str, Any]:
        return {
            name: Dated(app, self.clock.true) if "crm" not in name else app
            for name, app in super().serve().items()
        }


@pytest.fixture
def stage(tmp_path: Path) -> ClockStage:
    made = ClockStage(tmp_path)
    made.poll_every, made.sweep_every = "30s", "5m"
    return made


@pytest.mark.parametrize("jump", [-DAY, DAY, timedelta(hours=-1), timedelta(days=400)], ids=str)
async def test_a_jump_while_it_runs(stage: ClockStage, jump: timedelta) -> None:
    account = stage.watch("chatwoot", "support", "1", conversations=8)
    stage.rules += "\n- {name: lasting, when: conversation.archived, for: 30m, notify: crm}"
    one, two, three, *_ = account.conversations.values()
    for each in (one, two, three):
        stage.world.unarchive(each)
    stage.world.truth.entries.clear()
    async with stage.running():
        await stage.baseline()
        stage.world.archive(one)
        await anyio.sleep(120)
        stage.inbox.status = 503
        stage.world.message(two, "while the receiver fails")
        await anyio.sleep(120)
        stage.inbox.status = 200
        stage.clock.off += jump
        stage.world.message(three, "after the clock was set")
        await anyio.sleep(20 * 60)
        assert stage.got() == stage.expect()
        assert not [body for body in stage.inbox.bodies if "delivery" in body["data"]]
        await anyio.sleep(15 * 60)
        lasting = [body for body in stage.inbox.bodies if "delivery" in body["data"]]
        assert [body["subject"] for body in lasting] == [one.id]
        for body in stage.inbox.conversations:
            observed = body["data"]["observed"]
            assert observed["after"] <= observed["before"]


async def test_a_jump_there_and_back_leaves_the_log(stage: ClockStage) -> None:
    stage.poll_every, stage.sweep_every = "5m", "30m"
    account = stage.watch("chatwoot", "support", "1", conversations=8)
    async with stage.running():
        await stage.baseline()
        stage.world.message(next(iter(account.conversations.values())), "to be kept")
        await anyio.sleep(3600)
        before = len(await stage.store.events(EventQuery()))
        assert before > 1
        stage.clock.off = timedelta(days=400)
        await anyio.sleep(5 * 3600)
        stage.clock.off = timedelta(0)
        await anyio.sleep(5 * 3600)
        assert len(await stage.store.events(EventQuery())) == before
        assert stage.got() == stage.expect()


async def test_old_records_do_go_while_the_clock_is_right(stage: ClockStage) -> None:
    stage.poll_every, stage.sweep_every = "6h", "24h"
    stage.rules += "\nretention: {events: 2d, deliveries: 2d}"
    stage.watch("chatwoot", "support", "1", conversations=3)
    async with stage.running():
        await stage.baseline()
        await anyio.sleep(42 * 3600)
        assert len(await stage.store.events(EventQuery())) == 1
        await anyio.sleep(12 * 3600)
        assert len(await stage.store.events(EventQuery())) == 0


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=str)
async def test_a_jump_between_two_runs(stage: ClockStage, jump: timedelta) -> None:
    account = stage.watch("chatwoot", "support", "1", conversations=8)
    one, two, *_ = account.conversations.values()
    async with stage.running():
        await stage.baseline()
        stage.inbox.status = 503
        stage.world.message(one, "not delivered yet")
        await anyio.sleep(120)
    stage.inbox.status = 200
    stage.clock.off += jump
    async with stage.running():
        stage.world.message(two, "after the restart")
        await anyio.sleep(20 * 60)
        assert stage.got() == stage.expect()


def test_a_limit_is_not_used_up_by_what_was_sent_in_the_future() -> None:
    now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert room((2, minute), [now + DAY] * 5, 2, now).single == 2
    assert room((2, minute), [now, now - minute / 2], 2, now).wait == now + minute / 2
