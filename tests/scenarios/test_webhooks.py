"""What a webhook's settings mean over time: order, what it may see, secrets that are replaced."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from stage import SECRET, Inbox, Stage
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from support.virtual_time import VirtualClock

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
    stage: Stage, ordering: str, passes: bool
) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=2)
    conversation, other = list(account.conversations.values())[:2]
    stage.inbox = picky = Picky(stage.clock, b'"last_message":{"text":"poison"')
    stage.rules = "- {name: all, when: conversation.message, notify: crm}"
    stage.receivers = f"    ordering: {ordering}\n"
    async with stage.running():
        await stage.baseline()
        stage.world.message(conversation, "poison")
        await anyio.sleep(60)
        stage.world.message(conversation, "later")
        stage.world.message(other, "another conversation")
        await anyio.sleep(60)
        texts = [b["data"]["conversation"]["last_message"]["text"] for b in picky.conversations]
        assert texts == ["another conversation"], "other conversations never wait"
        await anyio.sleep(3600)
    texts = [b["data"]["conversation"]["last_message"]["text"] for b in picky.conversations]
    assert texts == ["another conversation", *(["later"] if passes else [])]
    assert len(picky.refused) >= 3


@pytest.mark.parametrize("settings", ["payload: thin", "redact: [last_message.text, contact]"])
async def test_every_attempt_carries_the_same_bytes_and_nothing_that_was_left_out(
    stage: Stage, settings: str
) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=1)
    (conversation,) = account.conversations.values()
    stage.inbox = picky = Picky(stage.clock, b"conversation.message")
    stage.receivers = f"    {settings}\n"
    async with stage.running():
        await stage.baseline()
        stage.world.message(conversation, "words of a stranger")
        await anyio.sleep(3600)
        picky.word = b"nothing"
        stage.world.message(conversation, "other words")
        await anyio.sleep(3 * 3600)
    assert len(picky.refused) >= 3
    first = next(raw for raw in picky.raw if b"conversation.message" in raw)
    assert set(picky.refused) == {first}
    for raw in picky.raw:
        assert b"words" not in raw
    assert {body["subject"] for body in picky.conversations} == {conversation.id}


async def test_a_secret_is_replaced_without_a_delivery_that_cannot_be_verified(
    stage: Stage, tmp_path: Path
) -> None:
    account = stage.watch("chatwoot", "sales", "1", conversations=1)
    (conversation,) = account.conversations.values()
    steps = [f"secret: {SECRET}", f"secrets: [{SECRET}, {NEXT}]", f"secret: {NEXT}"]
    whole = stage.configure
    verified_by: list[set[str]] = []
    for number, step in enumerate(steps):
        stage.configure = lambda step=step: whole().replace(steps[0], step)  # type: ignore[misc]
        stage.inbox = Inbox(stage.clock)
        async with stage.running():
            await stage.baseline()
            stage.world.message(conversation, f"message {number}")
            await anyio.sleep(60)
        (at,) = [n for n, body in enumerate(stage.inbox.bodies) if "message" in body["type"]]
        said = stage.inbox.headers[at]["webhook-signature"].split(" ")
        made = stage.inbox.headers[at]
        second = stage.clock().fromtimestamp(int(made["webhook-timestamp"]), stage.clock().tzinfo)
        verified_by.append(
            {
                secret
                for secret in (SECRET, NEXT)
                if Webhook(secret).sign(made["webhook-id"], second, stage.inbox.raw[at].decode())
                in said
            }
        )
    assert verified_by == [{SECRET}, {SECRET, NEXT}, {NEXT}]
