"""What a webhook's settings mean over time: order, what it may see, secrets that are replaced."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.scenarios.harness import SECRET, Harness, Inbox
from tests.support.virtual_time import VirtualClock

NEXT = "whsec_" + "bmV4dCBzZWNyZXQgb2YgdGhlc2UgdGVzdHM="


class Picky(Inbox):
    """Refuses, for ever, what has a certain word in it; keeps what it was sent each time."""

    def __init__(self, clock: VirtualClock, word: bytes) -> None:
        super().__init__(clock)
        self.word = word
        self.refused: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        if self.word in body:
            self.refused.append(body)
            await Response(status_code=500)(scope, receive, send)
            return

        async def again() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        await super().__call__(scope, again, send)


@pytest.mark.parametrize(("ordering", "passes"), [("strict", False), ("relaxed", True)])
async def test_relaxed_lets_later_ones_pass_what_has_failed_three_times(
    harness: Harness, ordering: str, passes: bool
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=2)
    conversation, other = list(account.conversations.values())[:2]
    harness.inbox = picky = Picky(harness.clock, b'"last_message":{"text":"poison"')
    harness.rules = "- {name: all, when: conversation.message, notify: crm}"
    harness.receivers = f"    ordering: {ordering}\n"
    async with harness.running():
        await harness.baseline()
        harness.world.message(conversation, "poison")
        await anyio.sleep(60)
        harness.world.message(conversation, "later")
        harness.world.message(other, "another conversation")
        await anyio.sleep(60)
        texts = [b["data"]["conversation"]["last_message"]["text"] for b in picky.conversations]
        assert texts == ["another conversation"], "other conversations never wait"
        await anyio.sleep(3600)
    texts = [b["data"]["conversation"]["last_message"]["text"] for b in picky.conversations]
    assert texts == ["another conversation", *(["later"] if passes else [])]
    assert len(picky.refused) >= 3


@pytest.mark.parametrize("settings", ["payload: thin", "redact: [last_message.text, contact]"])
async def test_every_attempt_carries_the_same_bytes_and_nothing_that_was_left_out(
    harness: Harness, settings: str
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=1)
    (conversation,) = account.conversations.values()
    harness.inbox = picky = Picky(harness.clock, b"conversation.message")
    harness.receivers = f"    {settings}\n"
    async with harness.running():
        await harness.baseline()
        harness.world.message(conversation, "words of a stranger")
        await anyio.sleep(3600)
        picky.word = b"nothing"
        harness.world.message(conversation, "other words")
        await anyio.sleep(3 * 3600)
    assert len(picky.refused) >= 3
    first = next(raw for raw in picky.raw if b"conversation.message" in raw)
    assert set(picky.refused) == {first}
    for raw in picky.raw:
        assert b"words" not in raw
    assert {body["subject"] for body in picky.conversations} == {conversation.id}


async def test_a_secret_is_replaced_without_a_delivery_that_cannot_be_verified(
    harness: Harness, tmp_path: Path
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=1)
    (conversation,) = account.conversations.values()
    steps = [f"secret: {SECRET}", f"secrets: [{SECRET}, {NEXT}]", f"secret: {NEXT}"]
    whole = harness.configure
    verified_by: list[set[str]] = []
    for number, step in enumerate(steps):
        harness.configure = lambda step=step: whole().replace(steps[0], step)  # type: ignore[misc]
        harness.inbox = Inbox(harness.clock)
        async with harness.running():
            await harness.baseline()
            harness.world.message(conversation, f"message {number}")
            await anyio.sleep(60)
        (at,) = [n for n, body in enumerate(harness.inbox.bodies) if "message" in body["type"]]
        said = harness.inbox.headers[at]["webhook-signature"].split(" ")
        made = harness.inbox.headers[at]
        second = harness.clock().fromtimestamp(
            int(made["webhook-timestamp"]), harness.clock().tzinfo
        )
        verified_by.append(
            {
                secret
                for secret in (SECRET, NEXT)
                if Webhook(secret).sign(made["webhook-id"], second, harness.inbox.raw[at].decode())
                in said
            }
        )
    assert verified_by == [{SECRET}, {SECRET, NEXT}, {NEXT}]
