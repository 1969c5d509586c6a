"""The machine's clock is set back and ahead, while the watcher runs and between runs: no event is
invented, nothing waits for as long as the jump, nothing fires early, the log is not emptied.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from tests.support.virtual_time import VirtualClock
from watcher.pipeline import room
from watcher.records import EventQuery
from watcher.simulator import Dated, faults

DAY = timedelta(days=1)


class SetClock:
    """The watcher's own clock, which somebody sets; the world keeps the true one."""

    def __init__(self) -> None:
        self.true = VirtualClock()
        self.off = timedelta(0)

    def __call__(self) -> datetime:
        return self.true() + self.off


class ClockStage(Harness):
    """A harness whose watcher has a clock of its own, and whose providers send their `Date`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock: Any = SetClock()

    def serve(self) -> dict[str, Any]:
        return {
            name: Dated(app, self.clock.true) if "crm" not in name else app
            for name, app in super().serve().items()
        }


@pytest.fixture
def harness(tmp_path: Path) -> ClockStage:
    made = ClockStage(tmp_path)
    made.poll_every, made.sweep_every = "30s", "5m"
    return made


@pytest.mark.parametrize("jump", [-DAY, DAY, timedelta(hours=-1), timedelta(days=400)], ids=str)
async def test_a_jump_while_it_runs(harness: ClockStage, jump: timedelta) -> None:
    account = harness.watch("chatwoot", "support", "1", conversations=8)
    harness.rules += "\n- {name: lasting, when: conversation.archived, for: 30m, notify: crm}"
    one, two, three, *_ = account.conversations.values()
    for each in (one, two, three):
        harness.world.unarchive(each)
    harness.world.truth.entries.clear()
    async with harness.running():
        await harness.baseline()
        harness.world.archive(one)
        await anyio.sleep(120)
        harness.inbox.status = 503
        harness.world.message(two, "while the receiver fails")
        await anyio.sleep(120)
        harness.inbox.status = 200
        harness.clock.off += jump
        harness.world.message(three, "after the clock was set")
        await anyio.sleep(20 * 60)
        assert harness.got() == harness.expect()
        assert not [body for body in harness.inbox.bodies if "delivery" in body["data"]]
        await anyio.sleep(15 * 60)
        lasting = [body for body in harness.inbox.bodies if "delivery" in body["data"]]
        assert [body["subject"] for body in lasting] == [one.id]
        for body in harness.inbox.conversations:
            observed = body["data"]["observed"]
            assert observed["after"] <= observed["before"]


@pytest.mark.parametrize("provider", ["chatwoot", "highlevel"])
@pytest.mark.parametrize("jump", [timedelta(hours=-2), timedelta(hours=2)], ids=str)
async def test_a_jump_between_the_first_sweeps_hides_no_new_conversation(
    harness: ClockStage, provider: str, jump: timedelta
) -> None:
    """Two empty sweeps make a baseline, and no answer has told the provider's time since the jump."""
    harness.poll_every = harness.sweep_every = "30m"
    account = harness.watch(provider, "support", "1", conversations=0)
    async with harness.running():
        await anyio.sleep(60)
        harness.clock.off = jump
        await harness.baseline()
        await anyio.sleep(60)
        harness.world.create(account, "a new one")
        await anyio.sleep(3600)
        assert "conversation.created" in {body["type"] for body in harness.inbox.conversations}
        assert harness.got() == harness.expect()


async def test_a_jump_there_and_back_leaves_the_log(harness: ClockStage) -> None:
    harness.poll_every, harness.sweep_every = "5m", "30m"
    account = harness.watch("chatwoot", "support", "1", conversations=8)
    async with harness.running():
        await harness.baseline()
        harness.world.message(next(iter(account.conversations.values())), "to be kept")
        await anyio.sleep(3600)
        before = len(await harness.store.events(EventQuery()))
        assert before > 1
        harness.clock.off = timedelta(days=400)
        await anyio.sleep(5 * 3600)
        harness.clock.off = timedelta(0)
        await anyio.sleep(5 * 3600)
        assert len(await harness.store.events(EventQuery())) == before
        assert harness.got() == harness.expect()


async def test_old_records_do_go_while_the_clock_is_right(harness: ClockStage) -> None:
    harness.poll_every, harness.sweep_every = "6h", "24h"
    harness.rules += "\nretention: {events: 2d, deliveries: 2d}"
    harness.watch("chatwoot", "support", "1", conversations=3)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(42 * 3600)
        assert len(await harness.store.events(EventQuery())) == 1
        await anyio.sleep(12 * 3600)
        assert len(await harness.store.events(EventQuery())) == 0


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=str)
async def test_a_jump_between_two_runs(harness: ClockStage, jump: timedelta) -> None:
    account = harness.watch("chatwoot", "support", "1", conversations=8)
    one, two, *_ = account.conversations.values()
    async with harness.running():
        await harness.baseline()
        harness.inbox.status = 503
        harness.world.message(one, "not delivered yet")
        await anyio.sleep(120)
    harness.inbox.status = 200
    harness.clock.off += jump
    async with harness.running():
        harness.world.message(two, "after the restart")
        await anyio.sleep(20 * 60)
        assert harness.got() == harness.expect()


def test_a_limit_is_not_used_up_by_what_was_sent_in_the_future() -> None:
    now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert room((2, minute), [now + DAY] * 5, 2, now).single == 2
    assert room((2, minute), [now, now - minute / 2], 2, now).wait == now + minute / 2


@pytest.mark.parametrize("off", [timedelta(hours=2), timedelta(hours=-2)], ids=str)
async def test_a_wrong_clock_before_any_answer_hides_no_new_conversation(
    harness: ClockStage, off: timedelta
) -> None:
    """The check is given up and the first sweep begins before an answer tells the provider's time."""
    account = harness.watch("chatwoot", "support", "1", conversations=3)
    harness.clock.off = off
    async with harness.running():
        harness.faults["chatwoot"].plan(faults.status(500), lambda seen: seen.number <= 4)
        await harness.baseline()
        await anyio.sleep(60)
        harness.world.create(account, "a new one")
        await anyio.sleep(600)
        assert harness.got() == harness.expect()
        assert "conversation.created" in {body["type"] for body in harness.inbox.conversations}
