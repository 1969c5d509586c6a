"""How often rules tell, in virtual time: repeats, throttles and digests."""

from __future__ import annotations

import itertools
from typing import Any

import anyio

from tests.scenarios.harness import Harness
from watcher.model import from_plain
from watcher.records import DeliveryQuery
from watcher.simulator import Account
from watcher.simulator.faults import Fault


def quiet(
    harness: Harness, conversations: int = 4, every: str = "20s"
) -> tuple[Account, list[Any]]:
    """Open an account in which everything is read."""
    harness.poll_every, harness.sweep_every = every, "30m"
    account = harness.watch("chatwoot", "sales", "1", conversations=conversations)
    for conversation in account.conversations.values():
        harness.world.read(conversation)
    return account, list(account.conversations.values())


UNANSWERED = """
- {name: unanswered, when: conversation.waiting, for: 15m, repeat: 30m, at_most: 3, notify: crm}
- {name: escalation, when: conversation.waiting, for: 1h, notify: boss}
"""


async def test_no_answer_the_team_then_again_and_the_manager_until_somebody_answers(
    harness: Harness,
) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.rules = UNANSWERED
    boss = harness.hear("boss")
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(50 * 60)
        harness.world.message(second, "Here I am", "outbound")
        await anyio.sleep(3 * 3600)
    told = [body["data"]["delivery"] for body in harness.inbox.bodies]
    minutes = harness.inbox.minutes(begun)
    of_first = [
        (at, one["kind"], one["count"])
        for at, body, one in zip(minutes, harness.inbox.bodies, told, strict=True)
        if body["subject"] == first.id
    ]
    assert [(kind, count) for _, kind, count in of_first] == [
        ("for", 1), ("repeat", 2), ("repeat", 3), ("repeat", 4),
    ]  # fmt: skip
    assert [at for at, _, _ in of_first] == [15, 45, 75, 105]
    assert [body["subject"] for body in harness.inbox.bodies].count(second.id) == 2
    assert [body["subject"] for body in boss.bodies] == [first.id]
    assert len({body["id"] for body in harness.inbox.bodies}) == len(harness.inbox.bodies)
    over = await harness.store.deliveries(DeliveryQuery(state="cancelled"))
    assert {one.note for one in over} == {"it was answered"}
    assert {one.kind for one in over} == {"for", "repeat"}


async def test_repeat_alone_tells_at_once_and_later_messages_do_not_restart_it(
    harness: Harness,
) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = "- {name: nag, when: conversation.unread, repeat: 20m, notify: crm}"
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        harness.world.message(first, "hello?")
        await anyio.sleep(30 * 60)
        harness.world.message(first, "anybody?")
        await anyio.sleep(15 * 60)
        harness.world.read(first)
        await anyio.sleep(3600)
        harness.world.message(first, "me again")
        await anyio.sleep(25 * 60)
    assert harness.inbox.minutes(begun) == [0, 20, 30, 40, 105, 125]
    kinds = [body["data"].get("delivery", {}).get("kind") for body in harness.inbox.bodies]
    assert kinds == [None, "repeat", None, "repeat", None, "repeat"]


async def test_a_receiver_that_is_down_gets_no_heap_of_repeats(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = "- {name: nag, when: conversation.unread, for: 5m, repeat: 10m, notify: crm}"
    async with harness.running():
        await harness.baseline()
        harness.inbox.status = 500
        harness.world.message(first, "hello?")
        await anyio.sleep(100 * 60)
        harness.inbox.status = 200
        await anyio.sleep(150 * 60)
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(harness.inbox.times)]
    assert len(gaps) > 5
    assert all(gap > 60 for gap in gaps[:1])
    assert all(abs(gap - 600) < 60 for gap in gaps[1:])


async def test_an_acknowledgement_ends_repeats_until_the_state_changes_again(
    harness: Harness,
) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = (
        "- {name: nag, when: conversation.unread, for: 5m, repeat: 10m, notify: crm}\n"
        "- {name: later, when: conversation.unread, for: 1h, notify: crm}"
    )
    async with harness.running() as daemon:
        await harness.baseline()
        begun = harness.clock()
        harness.world.message(first, "hello?")
        await anyio.sleep(20 * 60)
        assert await daemon.acknowledge("sales", first.id) == 2
        await anyio.sleep(3 * 3600)
        assert harness.inbox.minutes(begun) == [5, 15]
        harness.world.message(first, "still there?")
        await anyio.sleep(7 * 60)
    assert len(harness.inbox.bodies) == 3
    cancelled = await harness.store.deliveries(DeliveryQuery(state="cancelled"))
    assert all(one.note.startswith("acknowledged at ") for one in cancelled)
    assert [line.kind for line in await harness.store.history([cancelled[0].key])] == ["cancelled"]


async def test_a_source_that_answers_slowly_makes_no_alarm_come_twice(harness: Harness) -> None:
    _account, conversations = quiet(harness, 8, every="30s")
    harness.rules = "- {name: nag, when: conversation.unread, for: 5m, notify: crm}"
    async with harness.running():
        await harness.baseline()
        for one in conversations[:6]:
            harness.world.message(one, "hello?")
        await anyio.sleep(200)
        # Six questions of forty seconds, one after the other: longer than any lease.
        harness.faults["chatwoot"].plan(
            Fault(delay=40), lambda seen: "/conversations/" in seen.path
        )
        await anyio.sleep(3600)
    assert harness.inbox.attempts == 6
    outbox = await harness.store.deliveries(DeliveryQuery())
    assert [(one.state, one.attempt) for one in outbox] == 6 * [("delivered", 1)]


async def test_one_message_of_a_conversation_in_ten_minutes(harness: Harness) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.rules = (
        "- {name: ping, when: conversation.message, throttle: 10m, notify: crm}\n"
        "- {name: log, when: conversation.message, notify: archive}"
    )
    archive = harness.hear("archive")
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        for number in range(12):
            harness.world.message(first, f"message {number}")
            if number == 1:
                harness.world.message(second, "me too")
            await anyio.sleep(120)
    mine = [
        (at, body["data"]["conversation"]["last_message"]["text"])
        for at, body in zip(harness.inbox.minutes(begun), harness.inbox.bodies, strict=True)
        if body["subject"] == first.id
    ]
    assert [text for _, text in mine] == ["message 0", "message 5", "message 10"]
    assert len(archive.bodies) == 13
    stopped = await harness.store.deliveries(DeliveryQuery(state="cancelled", receiver="crm"))
    assert len(stopped) == 9
    assert all("throttled: the rule 'ping' has sent one at" in one.note for one in stopped)


async def test_where_one_rule_is_throttled_the_next_one_counts(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = (
        "- {name: ping, when: conversation.message, throttle: 1h, notify: crm}\n"
        "- {name: vip, when: conversation.message, "
        """where: 'conversation.last_message.text.contains("now")', notify: crm}"""
    )
    async with harness.running():
        await harness.baseline()
        for text in ("hello", "anybody?", "now!"):
            harness.world.message(first, text)
            await anyio.sleep(60)
    sent = await harness.store.deliveries(DeliveryQuery(state="delivered", receiver="crm"))
    texts = [from_plain(one.event.data["conversation"]).last_message for one in sent]
    assert [(one.rule, text and text.text) for one, text in zip(sent, texts, strict=True)] == [
        ("ping", "hello"),
        ("vip", "now!"),
    ]


async def test_a_throttle_whose_message_died_lets_the_next_one_through(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = "- {name: ping, when: conversation.message, throttle: 6h, notify: shaky}"
    shaky = harness.hear("shaky", "    retry: [1m]\n")
    async with harness.running():
        await harness.baseline()
        shaky.status = 500
        harness.world.message(first, "hello")
        await anyio.sleep(600)
        shaky.status = 200
        harness.world.message(first, "anybody?")
        await anyio.sleep(60)
    (told,) = shaky.bodies
    assert told["data"]["conversation"]["last_message"]["text"] == "anybody?"


async def test_a_digest_collects_and_goes_out_on_the_quarter_of_the_hour(harness: Harness) -> None:
    _account, conversations = quiet(harness)
    harness.rules = "- {name: news, when: conversation.message, digest: 15m, notify: crm}"
    async with harness.running():
        await harness.baseline()
        for number, conversation in enumerate((*conversations, *conversations[:1])):
            harness.world.message(conversation, f"message {number}")
            await anyio.sleep(90)
        await anyio.sleep(3600)
    (digest,) = harness.inbox.bodies
    assert digest["type"] == "watcher.digest"
    assert digest["data"]["delivery"] == {"rule": "news", "kind": "digest", "count": 5}
    texts = [
        one["data"]["conversation"]["last_message"]["text"] for one in digest["data"]["events"]
    ]
    assert texts == [f"message {number}" for number in range(5)]
    (at,) = harness.inbox.times
    assert (at.minute, at.second) == (15, 0)
    assert harness.inbox.headers[0]["webhook-id"] == digest["id"]
    rows = await harness.store.deliveries(DeliveryQuery(id=digest["id"]))
    assert {one.state for one in rows} == {"delivered"}
    assert len(rows) == 5


async def test_digests_by_source_and_a_failed_one_goes_out_whole_again(harness: Harness) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.rules = (
        "- {name: news, when: conversation.message, digest: {every: 15m, by: conversation}, "
        "notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        harness.inbox.status = 500
        for text in ("one", "two"):
            harness.world.message(first, text)
            harness.world.message(second, text)
            await anyio.sleep(60)
        await anyio.sleep(15 * 60)
        harness.inbox.status = 200
        harness.world.message(first, "three")
        await anyio.sleep(2 * 3600)
    counts = [
        (body["data"]["events"][0]["subject"], body["data"]["delivery"]["count"])
        for body in harness.inbox.bodies
    ]
    assert sorted(counts) == sorted([(first.id, 2), (second.id, 2), (first.id, 1)])
    rows = await harness.store.deliveries(DeliveryQuery())
    lines = await harness.store.history([rows[0].key])
    assert (lines[0].kind, lines[0].attempt, lines[0].status) == ("attempt", 1, 500)
    assert lines[-1].status == 200


async def test_what_exceeds_a_webhooks_limit_goes_out_as_one_digest_and_none_is_lost(
    harness: Harness,
) -> None:
    _account, conversations = quiet(harness, 12)
    harness.rules = "- {name: all, when: conversation.message, notify: slow}"
    slow = harness.hear("slow", "    limit: 3/1m\n")
    async with harness.running():
        await harness.baseline()
        for conversation in conversations:
            harness.world.message(conversation, "hello?")
        await anyio.sleep(120)
    types = [body["type"] for body in slow.bodies]
    assert types == ["conversation.message", "conversation.message", "watcher.digest"]
    *singles, digest = slow.bodies
    told = [body["subject"] for body in (*singles, *digest["data"]["events"])]
    assert sorted(told) == sorted(one.id for one in conversations)
    assert digest["data"]["delivery"]["count"] == 10
