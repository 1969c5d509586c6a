"""What the fakes show of who waits, who answered and what a message holds besides words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.asking_chatwoot import show
from tests.simulator.asking_leadconnector import search
from tests.simulator.harness import START, Harness
from watcher.simulator import Conversation, World
from watcher.simulator.leadping.rows import row as leadping_row

Act = Callable[[World, Conversation], object]

NEW, BEFORE_ECHOES, BEFORE_BOTS, OLD = (4, 15, 1), (4, 10, 0), (4, 4, 0), (3, 16, 0)

STAMPS: dict[str, tuple[Act, str, dict[tuple[int, int, int], str]]] = {
    "a customer's second message": (lambda w, c: w.message(c, "Well?"), "first", {}),
    "a note": (lambda w, c: w.message(c, "Busy", "internal"), "first", {}),
    "a greeting": (lambda w, c: w.greet(c), "first", {}),
    "an automation rule": (lambda w, c: w.answer(c, by="rule"), "first", {}),
    "a campaign": (lambda w, c: w.answer(c, by="campaign"), "first", {}),
    "nobody's message": (lambda w, c: w.answer(c, by="nobody"), "first", {}),
    "a person": (lambda w, c: w.answer(c), "none", {}),
    "a bot": (
        lambda w, c: w.answer(c, by="bot"),
        "none",
        {BEFORE_BOTS: "first", OLD: "first"},
    ),
    "the assistant": (
        lambda w, c: w.answer(c, by="assistant"),
        "none",
        {BEFORE_BOTS: "first", OLD: "first"},
    ),
    "the phone's own app": (
        lambda w, c: w.answer(c, by="phone"),
        "none",
        {BEFORE_ECHOES: "first", BEFORE_BOTS: "first", OLD: "first"},
    ),
    "resolving": (lambda w, c: w.archive(c), "none", {OLD: "first"}),
    "snoozing": (lambda w, c: w.snooze(c), "first", {}),
}
"""What happens to a customer who waits; the native stamp after it, and on which versions another."""

VERSIONS = (NEW, BEFORE_ECHOES, BEFORE_BOTS, OLD)


async def line(harness: Harness, conversation: Conversation) -> dict[str, Any]:
    shown: dict[str, Any] = (await show(harness, conversation.id)).json()
    found: dict[str, Any] = shown["last_non_activity_message"]
    return found


async def stamp(harness: Harness, conversation: Conversation, version: Any = NEW) -> int:
    shown = (await show(harness, conversation.id, version=version)).json()
    found: int = shown["waiting_since"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", STAMPS)
async def test_chatwoots_own_stamp_is_kept_or_cleared_as_its_version_does(
    what: str, version: tuple[int, int, int]
) -> None:
    act, after, elsewhere = STAMPS[what]
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    first = int(harness.clock.now.timestamp())
    harness.clock.forward(60)
    act(harness.world, conversation)
    wanted = first if elsewhere.get(version, after) == "first" else 0
    assert await stamp(harness, conversation, version) == wanted


async def test_a_conversation_in_which_nobody_wrote_has_a_stamp_too() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create()
    harness.clock.forward(60)
    assert await stamp(harness, conversation) == int((START + timedelta(seconds=1)).timestamp())
    assert conversation.state.waiting_since is None
    harness.world.message(conversation, "Hello")
    assert await stamp(harness, conversation) == int((START + timedelta(seconds=1)).timestamp())
    assert conversation.state.waiting_since == START + timedelta(seconds=61)


async def test_before_3_0_there_is_no_stamp() -> None:
    harness = Harness("chatwoot")
    shown = (await show(harness, harness.create("Hello").id, version=(2, 18, 0))).json()
    assert "waiting_since" not in shown


async def test_a_customer_who_writes_again_on_a_resolved_one_begins_anew_or_waits_on() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    first = int(harness.clock.now.timestamp())
    harness.world.archive(conversation)
    harness.clock.forward(60)
    harness.world.message(conversation, "Hello?")
    assert await stamp(harness, conversation, NEW) == first + 60
    assert await stamp(harness, conversation, OLD) == first
    assert conversation.state.waiting_since == harness.clock.now


SENDERS: dict[str, dict[str, Any]] = {
    "person": {"message_type": 1, "sender_type": "User", "content_attributes": {}},
    "phone": {
        "message_type": 1,
        "sender_type": None,
        "content_attributes": {"external_echo": True},
    },
    "greeting": {"message_type": 3, "sender_type": None, "content_type": "text"},
    "survey": {"message_type": 3, "sender_type": None, "content_type": "input_csat"},
    "bot": {"message_type": 1, "sender_type": "AgentBot"},
    "assistant": {"message_type": 1, "sender_type": "Captain::Assistant"},
    "rule": {
        "message_type": 1,
        "sender_type": None,
        "content_attributes": {"automation_rule_id": 1},
    },
    "campaign": {
        "message_type": 1,
        "sender_type": "User",
        "additional_attributes": {"campaign_id": 1},
    },
    "nobody": {"message_type": 1, "sender_type": None, "content_attributes": {}},
}


@pytest.mark.parametrize("sender", SENDERS)
async def test_chatwoot_shows_who_wrote(sender: Any) -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    harness.world.answer(conversation, "Hi", by=sender)
    shown = await line(harness, conversation)
    assert {key: shown[key] for key in SENDERS[sender]} == SENDERS[sender]
    assert not shown["private"]
    waits = sender not in ("person", "phone")
    assert (conversation.state.waiting_since is not None) == waits
    assert (conversation.state.first_reply_at is None) == waits


async def test_a_greeting_stands_before_anybody_has_seen_the_customers_words() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hello", greeting="We are closed.")
    shown = await line(harness, conversation)
    assert (shown["message_type"], shown["content"]) == (3, "We are closed.")
    assert conversation.state.unread == 1
    assert conversation.state.waiting_since == harness.clock.now
    assert harness.told() == ["created", "unread", "waiting"]
    harness.world.answer(conversation)
    harness.told()
    harness.world.message(conversation, "Once more", greeting="We are closed.")
    assert (await line(harness, conversation))["content"] == "We are closed."
    assert harness.told() == ["message", "unread", "waiting"]


async def test_a_picture_has_no_words_and_a_mail_has_a_subject() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    harness.world.attach(conversation, ("image", "voicemail"))
    shown = await line(harness, conversation)
    assert (shown["content"], [one["file_type"] for one in shown["attachments"]]) == (
        None,
        ["image", "audio"],
    )
    harness.world.message(conversation, "New words", subject="Order 4")
    shown = await line(harness, conversation)
    assert shown["content_type"] == "incoming_email"
    assert shown["content"].startswith("New words\n\nOn ")
    assert "attachments" not in shown
    email = shown["content_attributes"]["email"]
    assert (email["subject"], email["text_content"]["reply"]) == ("Order 4", "New words")
    row = (await show(harness, conversation.id)).json()
    assert row["additional_attributes"]["mail_subject"] == "Order 4"


async def test_a_message_that_was_taken_back_keeps_its_id() -> None:
    harness = Harness("chatwoot")
    conversation = harness.create("Hello")
    harness.world.attach(conversation)
    before = await line(harness, conversation)
    harness.world.retract(conversation)
    after = await line(harness, conversation)
    assert (after["id"], after["content"]) == (before["id"], "This message was deleted")
    assert after["content_attributes"] == {"deleted": True}
    assert "attachments" not in after


async def test_highlevel_tells_of_the_last_outbound_message_whether_a_person_wrote_it() -> None:
    harness = Harness("highlevel")
    conversation = harness.create("Hello")

    async def told() -> tuple[Any, Any]:
        (row,) = (await search(harness)).json()["conversations"]
        return row.get("lastOutboundMessageAction"), row["lastManualMessageDate"]

    action, hello = await told()
    assert action is None
    harness.clock.forward(60)
    harness.world.answer(conversation, by="rule")
    assert await told() == ("automated", hello)
    harness.clock.forward(60)
    harness.world.answer(conversation)
    assert await told() == ("manual", hello + 120_000)
    harness.clock.forward(60)
    harness.world.message(conversation, "Thanks")
    assert await told() == ("manual", hello + 180_000)


@pytest.mark.parametrize(
    ("act", "type_", "body"),
    [
        (lambda w, c: w.attach(c, ("call",)), "TYPE_CALL", ""),
        (lambda w, c: w.attach(c, ("voicemail",)), "TYPE_CAMPAIGN_VOICEMAIL", ""),
        (lambda w, c: w.attach(c, ("image",)), "TYPE_SMS", ""),
        (lambda w, c: w.answer(c, "Sale!", by="campaign"), "TYPE_CAMPAIGN_SMS", "Sale!"),
        (lambda w, c: w.message(c, "Busy", "internal"), "TYPE_INTERNAL_COMMENT", "Busy"),
    ],
)
async def test_highlevels_word_is_all_that_a_row_tells_of_what_a_message_is(
    act: Act, type_: str, body: str
) -> None:
    harness = Harness("highlevel")
    sms = next(inbox for inbox in harness.account.inboxes if inbox.channel == "sms")
    conversation = harness.create("Hello", inbox=sms)
    act(harness.world, conversation)
    (row,) = (await search(harness)).json()["conversations"]
    assert (row["lastMessageType"], row["lastMessageBody"]) == (type_, body)


def test_leadping_has_no_preview_of_what_has_no_words() -> None:
    harness = Harness("leadping")
    conversation = harness.create("Hello")
    harness.world.attach(conversation)
    assert leadping_row(conversation.state, True, "september")["lastSnippet"] is None


@pytest.mark.parametrize("kind", ["chatwoot", "highlevel"])
def test_an_old_conversation_that_comes_into_view_tells_what_is_young_in_it(kind: Any) -> None:
    harness = Harness(kind)
    harness.clock.forward(60)
    harness.world.appear(harness.account)
    assert harness.told() == []
    harness.world.appear(harness.account, "Still there?")
    assert harness.told() == ["message", "unread", "waiting"]


def test_leadping_has_no_creation_time_so_it_is_new() -> None:
    harness = Harness("leadping")
    harness.clock.forward(60)
    harness.world.appear(harness.account, "Still there?")
    assert harness.told() == ["created", "unread"]
