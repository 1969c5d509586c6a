"""`hours.otherwise: digest`, in virtual time: by day at once, the night as one message."""

from __future__ import annotations

import anyio

from tests.scenarios.harness import Harness, Inbox
from tests.scenarios.test_pace import quiet
from watcher.records import DeliveryQuery

NIGHT = "hours: {between: '06:00-11:00', otherwise: digest}"
"""The night begins an hour after the start of a test."""


def told(inbox: Inbox) -> list[tuple[str, str, int]]:
    """Return when each message came, of which type, and of how many events."""
    return [
        (f"{at:%H:%M}", body["type"], len(body["data"].get("events", (None,))))
        for at, body in zip(inbox.times, inbox.bodies, strict=True)
    ]


async def test_by_day_at_once_and_the_night_as_one_message_at_the_opening(
    harness: Harness,
) -> None:
    _account, (first, second, *_) = quiet(harness, every="10m")
    boss = harness.hear("boss")
    harness.rules = (
        f"- {{name: news, when: conversation.message, {NIGHT}, notify: [crm, boss]}}\n"
        f"- {{name: urgent, when: conversation.priority_changed, {NIGHT}, notify: crm}}\n"
        f"- {{name: labels, when: conversation.labels_changed, notify: crm}}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "by day")
        await anyio.sleep(2 * 3600)
        for one in (first, second):
            harness.world.message(one, "at night")
        await anyio.sleep(3600)
        harness.world.set_priority(first, "urgent")
        harness.world.set_labels(first, ["vip"])
        await anyio.sleep(20 * 3600)
        harness.world.message(second, "by day again")
        await anyio.sleep(3600)
    assert told(harness.inbox) == [
        ("10:10", "conversation.message", 1),
        ("13:10", "conversation.labels_changed", 1),
        ("06:00", "watcher.digest", 3),
        ("09:10", "conversation.message", 1),
    ]
    assert told(boss) == [
        ("10:10", "conversation.message", 1),
        ("06:00", "watcher.digest", 2),
        ("09:10", "conversation.message", 1),
    ]
    digest = harness.inbox.bodies[2]["data"]
    assert [one["type"] for one in digest["events"]] == [
        *["conversation.message"] * 2, "conversation.priority_changed",
    ]  # fmt: skip
    assert digest["delivery"] == {"rule": None, "kind": "digest", "count": 3}


async def test_one_alone_is_a_message_of_its_own(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness, every="10m")
    harness.rules = f"- {{name: news, when: conversation.message, {NIGHT}, notify: crm}}"
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(2 * 3600)
        harness.world.message(first, "at night")
        await anyio.sleep(86400)
    assert told(harness.inbox) == [("06:00", "conversation.message", 1)]


async def test_a_state_that_ended_in_the_night_is_not_in_it_and_what_lasts_goes_on(
    harness: Harness,
) -> None:
    _account, (first, second, third, *_) = quiet(harness, every="10m")
    harness.rules = (
        "- {name: slow, when: conversation.unread, for: 20m, repeat: 1h, at_most: 1,"
        f" resolved: true, {NIGHT}, notify: crm}}"
    )
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(2 * 3600)
        for one in (first, second, third):
            harness.world.message(one, "hello?")
        await anyio.sleep(3 * 3600)
        harness.world.read(third)
        await anyio.sleep(86400 - 6 * 3600)
    assert told(harness.inbox)[0] == ("06:00", "watcher.digest", 2)
    subjects = [one["subject"] for one in harness.inbox.bodies[0]["data"]["events"]]
    assert subjects == [first.id, second.id]
    assert [body["data"]["delivery"]["kind"] for body in harness.inbox.bodies[1:]] == ["repeat"] * 2


async def test_it_outlives_a_restart_and_a_receiver_that_fails_gets_the_same_again(
    harness: Harness,
) -> None:
    _account, (first, second, third, *_) = quiet(harness, every="10m")
    harness.rules = f"- {{name: news, when: conversation.message, {NIGHT}, notify: crm}}"
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(2 * 3600)
        harness.world.message(first, "at night")
        await anyio.sleep(3600)
    async with harness.running():
        harness.world.message(second, "at night")
        await anyio.sleep(3600)
        harness.inbox.status = 503
        await anyio.sleep(16 * 3600 + 300)  # until 06:00 and a little
        harness.world.message(third, "in the morning")
        waiting = await harness.store.deliveries(DeliveryQuery(state="pending"))
        assert {one.message for one in waiting if one.attempt} != {""}
        harness.inbox.status = 200
        await anyio.sleep(3 * 3600)
    kinds = [(kind, count) for _, kind, count in told(harness.inbox)]
    assert sorted(kinds) == [("conversation.message", 1), ("watcher.digest", 2)]
