"""What a review once proved wrong: one motion starving another, holds in each other's way, doubts about
the wrong rows, alarms from stale knowledge.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.clock import Clock
from watcher.dispatcher import Dispatcher
from watcher.model import Delivery, Event, Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import Commit
from watcher.runtime import Runtime
from watcher.simulator import faults, leadconnector
from watcher.store.memory import MemoryStore


def oldest(account: Any) -> Any:
    return min(account.conversations.values(), key=lambda one: one.state.created_at)


async def test_a_broken_record_on_the_first_page_leaves_the_rest_watched(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "2m", "10m"
    account = harness.watch("chatwoot", "sales", "1", conversations=80)
    harness.world.orphan(oldest(account))
    async with harness.running():
        await anyio.sleep(3600)
        harness.world.message(list(account.conversations.values())[-1], "hello")
        await anyio.sleep(6 * 3600)
    assert harness.inbox.own == ["source.baselined", "source.held"]
    assert "conversation.message" in [body["type"] for body in harness.inbox.bodies]


async def test_a_record_that_breaks_later_is_told_once(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "2m", "10m"
    account = harness.watch("chatwoot", "sales", "1", conversations=80)
    async with harness.running():
        await harness.baseline()
        harness.world.orphan(oldest(account))
        await anyio.sleep(6 * 3600)
    assert harness.inbox.own == ["source.baselined", "source.held"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_polls_slower_than_their_interval_do_not_starve_sweeps(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "2s", "1m"
    account = harness.watch(provider, "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.slow(2.5))
        harness.world.delete(list(account.conversations.values())[5])
        await anyio.sleep(720)
    assert harness.got() == harness.expect()


async def test_polls_that_fail_do_not_starve_sweeps_and_are_told_once(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=80)
    async with harness.running():
        await harness.baseline()
        harness.faults["chatwoot"].plan(
            faults.status(500), lambda seen: seen.params.get("sort_by") != "created_at_asc"
        )
        harness.world.message(list(account.conversations.values())[3], "hello")
        await anyio.sleep(3 * 3600)
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined", "source.failing"]


async def test_a_crowd_that_comes_while_a_crowd_goes_is_concluded(harness: Harness) -> None:
    account = harness.watch("leadping", "sales", "1", conversations=200)
    async with harness.running():
        await harness.baseline()
        for conversation in list(account.conversations.values())[:30]:
            harness.world.delete(conversation)
        harness.world.import_conversations(account, 40, text="x")
        await anyio.sleep(3600)
    assert harness.got() == harness.expect()
    assert harness.inbox.own.count("source.held") == 2


@pytest.mark.parametrize("count", [12, 400])
async def test_everybody_is_unassigned_at_once(harness: Harness, count: int) -> None:
    harness.options["highlevel"] = leadconnector.Options(index_delay=3.0)
    account = harness.watch("highlevel", "sales", "1", conversations=count)
    async with harness.running():
        await harness.baseline()
        for agent in list(account.agents):
            harness.world.remove_agent(account, agent)
        await anyio.sleep(1800)
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined"]


@pytest.mark.parametrize("count", [3, 150])
async def test_a_key_that_vanishes_from_every_row_is_told_once_and_changes_nothing(
    harness: Harness, count: int
) -> None:
    harness.poll_every = "1m"
    account = harness.watch("highlevel", "sales", "1", conversations=count)
    for conversation in account.conversations.values():
        harness.world.assign(conversation, account.agents[0])
    async with harness.running():
        await harness.baseline()
        harness.faults["highlevel"].plan(faults.Fault(alter=_without_assignees))
        await anyio.sleep(3600)
        assert harness.inbox.own == ["source.baselined", "source.failing"]
        assert "assignee" in harness.inbox.of("source.failing")[0]["data"]["reason"]
        harness.faults["highlevel"].clear()
        await anyio.sleep(1200)
    assert harness.inbox.conversations == []
    assert harness.inbox.own == ["source.baselined", "source.failing", "source.recovered"]


def _without_assignees(body: bytes) -> bytes:
    return body.replace(b'"assignedTo"', b'"formerlyAssignedTo"')


async def test_an_alarm_is_confirmed_before_it_goes_out(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=2)
    harness.rules = "- {name: later, when: conversation.unread, for: 15m, notify: crm}"
    conversation = next(iter(account.conversations.values()))
    harness.world.read(conversation)
    async with harness.running():
        await harness.baseline()
        harness.world.message(conversation, "hello?")
        await anyio.sleep(120)
    harness.world.read(conversation)  # while nobody watches
    await anyio.sleep(3600)
    async with harness.running():
        await anyio.sleep(600)
    assert harness.inbox.of("conversation.unread") == []


async def test_an_alarm_waits_while_the_provider_cannot_be_asked(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=2)
    harness.rules = "- {name: later, when: conversation.unread, for: 15m, notify: crm}"
    conversation = next(iter(account.conversations.values()))
    harness.world.read(conversation)
    async with harness.running():
        await harness.baseline()
        harness.world.message(conversation, "hello?")
        await anyio.sleep(120)
        harness.faults["chatwoot"].plan(faults.status(500))
        await anyio.sleep(3600)
        assert harness.inbox.of("conversation.unread") == []
        harness.faults["chatwoot"].clear()
        await anyio.sleep(600)
    assert len(harness.inbox.of("conversation.unread")) == 1


async def test_one_unreachable_source_and_one_refused_are_not_our_network(harness: Harness) -> None:
    harness.watch("chatwoot", "a", "1", conversations=5)
    harness.watch("leadping", "b", "1", conversations=5)
    async with harness.running():
        await harness.baseline()
        until = harness.clock() + timedelta(seconds=40)

        def refuse(seen: Any) -> bool:
            if seen.at < until or "/conversations/my" in seen.path:
                raise ConnectionRefusedError(111, "Connection refused")
            return False

        harness.faults["chatwoot"].plan(faults.status(500), refuse)
        harness.faults["chatwoot"].plan(faults.status(401))
        await anyio.sleep(900)
        harness.faults["leadping"].plan(faults.status(500), refuse)
        await anyio.sleep(1800)
    assert harness.inbox.own.count("source.failing") == 2
    assert "watcher.network_failing" not in harness.inbox.own


class Slow:
    """A notifier that takes its time and remembers what it sent."""

    text = True

    def __init__(self, seconds: float) -> None:
        self.sent: list[Notice] = []
        self.at_once = self.most = 0
        self._seconds = seconds

    async def send(self, notice: Notice) -> Result:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await anyio.sleep(self._seconds)
        self.at_once -= 1
        self.sent.append(notice)
        return Result("ok")

    async def close(self) -> None:
        """Nothing to let go of."""


async def burst(clock: Clock, count: int, conversations: int, seconds: float) -> Slow:
    store, slow = MemoryStore(), Slow(seconds)
    events = tuple(
        Event(
            f"e{number}", "conversation.unread", "s", f"c{number % conversations}",
            clock() + timedelta(milliseconds=number), {"source": "s", "conversation": {}},
        )
        for number in range(count)
    )  # fmt: skip
    owed = tuple(Delivery(one.id, one, "team", "r", one.time, one.time) for one in events)
    await store.commit(Commit("s", events=events, deliveries=owed))
    policy = Policy((timedelta(seconds=5),), limit=(3, timedelta(minutes=1)), once_more=True)
    dispatcher = Dispatcher(
        ReceiverPlan("team", slow, policy, "x", slots=1),
        Runtime(store=store, clock=clock),
    )
    with anyio.move_on_after(600):
        await dispatcher.run()
    assert await store.pending() == {}
    return slow


@pytest.mark.parametrize("conversations", [1, 20])
async def test_what_exceeds_the_limit_is_collapsed_in_order(
    harness: Harness, conversations: int
) -> None:
    slow = await burst(harness.clock, 20, conversations, 1.0)
    assert len(slow.sent) <= 4
    assert slow.most == 1
    assert "notifications" in slow.sent[-1].title


async def test_our_clock_being_set_back_hides_nothing(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=10)
    conversations = list(account.conversations.values())
    real, ahead = harness.clock, timedelta(hours=2)
    harness.clock = lambda: real() + ahead  # type: ignore[assignment]
    async with harness.running():
        await harness.baseline()
        harness.world.set_priority(conversations[0], "urgent")
        await anyio.sleep(60)
        ahead = timedelta(0)
        harness.world.set_priority(conversations[0], "low")
        await anyio.sleep(900)
    assert len(harness.inbox.of("conversation.priority_changed")) == 2
