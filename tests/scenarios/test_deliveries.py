"""Deliveries in virtual time: schedules, order, dead letters, 410, `for`, holds and people."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from tests.scenarios.harness import SECRET, Harness
from watcher.records import Commit, DeliveryQuery, EventQuery, Hold, ReceiverState


def when(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["time"].replace("Z", "+00:00"))


async def test_a_receiver_that_fails_gets_everything_in_order_afterwards(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=3)
    conversation = next(iter(account.conversations.values()))
    async with harness.running():
        await harness.baseline()
        harness.inbox.status = 500
        for number in range(5):
            harness.world.message(conversation, f"message {number}")
            await anyio.sleep(60)
        await anyio.sleep(3000)
        attempts = harness.inbox.attempts
        harness.inbox.status = 200
        await anyio.sleep(3 * 3600)
    texts = [
        body["data"]["conversation"]["last_message"]["text"]
        for body in harness.inbox.of("conversation.message")
    ]
    assert texts == [f"message {number}" for number in range(5)]
    assert harness.got() == harness.expect()
    assert attempts < 12, "later deliveries of the conversation wait behind the first"
    assert harness.inbox.of("receiver.failing") == [], "a receiver is not told of itself"


async def test_given_up_after_the_schedule_and_sent_again_by_hand(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "1h", "6h"
    account = harness.watch("chatwoot", "sales", "1", conversations=3)
    async with harness.running() as daemon:
        await harness.baseline()
        harness.inbox.status = 500
        harness.world.set_priority(next(iter(account.conversations.values())), "urgent")
        await anyio.sleep(102 * 3600)
        dead = await harness.store.deliveries(DeliveryQuery(state="dead"))
        assert [delivery.attempt for delivery in dead] == [10]
        failing = await harness.store.events(EventQuery(types=("receiver.*",)))
        assert [item.event.type for item in failing] == ["receiver.failing"]
        harness.inbox.status = 200
        assert await daemon.retry(None) == 1
        await anyio.sleep(5)
        assert [b["type"] for b in harness.inbox.conversations] == ["conversation.priority_changed"]
        turned = await harness.store.events(EventQuery(types=("receiver.*",)))
        assert [item.event.type for item in turned] == ["receiver.failing", "receiver.recovered"]


async def test_gone_turns_the_receiver_off_and_what_waits_stays(harness: Harness) -> None:
    harness.poll_every, harness.sweep_every = "10m", "1h"
    account = harness.watch("chatwoot", "sales", "1", conversations=3)
    async with harness.running() as daemon:
        await harness.baseline()
        before, harness.inbox.status = harness.inbox.attempts, 410
        for conversation in account.conversations.values():
            harness.world.message(conversation, "hi")
        with capture_logs() as logs:
            await anyio.sleep(24 * 3600)
        assert harness.inbox.attempts <= 1 + 3
        said = [line["event"] for line in logs if line["event"] != "a delivery is given up"]
        assert not [one for one in said if "tried again" in one]
        assert [line["remedy"] for line in logs if "turned off" in line["event"]] == [
            "inbox-watcher send-test crm"
        ] * (harness.inbox.attempts - before)
        harness.inbox.status = 200
        await daemon.turn_on("crm")
        await anyio.sleep(60)
    assert harness.got() == harness.expect()


async def test_retry_after_is_heeded(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=1)
    async with harness.running():
        await harness.baseline()
        harness.inbox.status, harness.inbox.answer_headers = 429, {"retry-after": "120"}
        harness.world.set_priority(next(iter(account.conversations.values())), "urgent")
        await anyio.sleep(45)
        attempts = harness.inbox.attempts
        harness.inbox.status = 200
        await anyio.sleep(60)
        assert harness.inbox.attempts == attempts
        await anyio.sleep(60)
    assert len(harness.inbox.conversations) == 1


async def test_signatures_verify_with_the_official_library(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=1)
    async with harness.running():
        await harness.baseline()
        harness.world.message(next(iter(account.conversations.values())), "naïve ☃")
        await anyio.sleep(60)
    signer = Webhook(SECRET)
    for body, headers in zip(harness.inbox.raw, harness.inbox.headers, strict=True):
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=harness.clock().tzinfo)
        signature = signer.sign(headers["webhook-id"], at, body.decode())
        assert headers["webhook-signature"] == signature
        assert headers["content-type"] == "application/cloudevents+json"


LATER = """- {name: all, when: conversation.message, notify: crm}
- {name: later, when: conversation.unread, for: 15m, notify: crm}
"""


async def test_unread_for_fifteen_minutes_fires_once_and_only_if_it_lasts(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=4)
    harness.rules = LATER
    first, second = list(account.conversations.values())[:2]
    for conversation in account.conversations.values():
        harness.world.read(conversation)
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(600)
        harness.world.message(first, "anybody?")  # does not restart the wait
        harness.world.read(second)
        await anyio.sleep(7200)
        (fired,) = harness.inbox.of("conversation.unread")
        assert fired["subject"] == first.id
        told = fired["data"]["delivery"]
        assert (told["rule"], told["kind"], told["count"]) == ("later", "for", 1)
        assert told["event"] != fired["id"]
        harness.world.read(first)
        await anyio.sleep(600)
        harness.world.message(first, "me again")
        await anyio.sleep(1800)
    assert len(harness.inbox.of("conversation.unread")) == 2


async def test_a_timer_survives_a_restart(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=2)
    harness.rules = LATER
    conversation = next(iter(account.conversations.values()))
    harness.world.read(conversation)
    async with harness.running():
        await harness.baseline()
        harness.world.message(conversation, "hello?")
        await anyio.sleep(300)
        started = harness.clock()
    await anyio.sleep(300)
    async with harness.running():
        await anyio.sleep(120)
        assert harness.inbox.of("conversation.unread") == []
        await anyio.sleep(600)
    (fired,) = harness.inbox.of("conversation.unread")
    assert started - when(fired) < timedelta(minutes=6)


async def test_a_person_decides_while_the_daemon_starts(harness: Harness) -> None:
    """What it has not read from its store yet is there all the same."""
    account = harness.watch("chatwoot", "sales", "1", conversations=40)
    harness.sweep_every = "2h"
    async with harness.running():
        await harness.baseline()
    state = await harness.store.source("sales")
    assert state is not None
    hold = Hold(
        "absences", harness.clock(), tuple(account.conversations)[:30], 40, "30 of 40", "wait"
    )
    await harness.store.commit(Commit("sales", dataclasses.replace(state, hold=hold)))
    await harness.store.save_receiver(ReceiverState("crm", "elsewhere", off="gone (410)"))
    async with harness.running() as daemon:
        assert await daemon.release("sales", accept=False, since=hold.since)
        await daemon.turn_on("crm")
        await anyio.sleep(60)
    after = await harness.store.source("sales")
    assert after is not None
    assert after.hold is None
    assert (await harness.store.receivers())["crm"].target != "elsewhere"


@pytest.mark.parametrize("accept", [True, False])
async def test_a_person_decides_about_a_held_sweep(harness: Harness, accept: bool) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=40)
    harness.sweep_every = "2h"
    harness.restart_with()
    harness.watch_again("chatwoot", "sales", account)
    async with harness.running() as daemon:
        await harness.baseline()
        for conversation in list(account.conversations.values())[:30]:
            harness.world.delete(conversation)
        with anyio.fail_after(20000):
            while not harness.inbox.of("source.held"):  # noqa: ASYNC110 - virtual seconds
                await anyio.sleep(60)
        state = await harness.store.source("sales")
        assert state is not None
        assert state.hold is not None
        since = state.hold.since
        # One that was shown before, or after: nobody has seen what is held now.
        for other in (since - timedelta(hours=2), since + timedelta(milliseconds=1)):
            assert not await daemon.release("sales", accept=accept, since=other)
        assert await harness.store.source("sales") == state
        assert await daemon.release("sales", accept=accept, since=since)
        assert not await daemon.release("sales", accept=accept, since=since)
        await anyio.sleep(1800)
        removed = harness.inbox.of("conversation.removed")
        assert len(removed) == (30 if accept else 0)
        assert all(body["data"]["held"] for body in removed)
        outcome = harness.inbox.of("source.released")[0]["data"]["outcome"]
        assert outcome == ("accepted" if accept else "discarded")
