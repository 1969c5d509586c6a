"""Texts that a service refuses, told apart from a service that is away; and what goes out then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiosmtpd.controller import Controller

from tests.support.interception import intercepting
from tests.support.loopback import Served, answer, serving, unused_port
from watcher.markup import Part, Text
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify._apprise_worker import _refusal
from watcher.notify.apprise import AppriseNotifier

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
LINK = "https://app.example.com/c/1"


def notice(body: str = "Body", *, brief: bool = False, **changed: Any) -> Notice:
    data = {"conversation": {"id": "c1", "url": LINK}}
    event = Event("e1", "conversation.unread", "sales", "c1", AT, data)
    return Notice(event, "Maria writes", body, AT, brief=brief, **changed)


def notifier(*urls: str) -> AppriseNotifier:
    return AppriseNotifier(lambda: urls, "team", anyio.CapacityLimiter(2), deadline=20.0)


def failed(status: int, said: str = "", words: str = "") -> list[tuple[str, str]]:
    """Return the log of a failed attempt as Apprise's plug-ins write it."""
    return [
        (
            "DEBUG",
            "Discord Payload: {'content': 'what a customer says of a message that is too long'}",
        ),
        ("WARNING", f"Failed to send X notification: {words or 'Bad'}, error={status}."),
        ("DEBUG", f"Response Details:\r\n{said.encode()!r}"),
    ]


ANSWERS = [
    # service, status, what it says of a text that it does not take
    ("Slack", 400, "invalid_payload"),
    ("Slack", 400, "no_text"),
    ("Slack (bot)", 200, '{"ok": false, "error": "msg_too_long"}'),
    ("Slack", 400, "invalid_blocks"),
    ("Discord", 400, '{"message": "Invalid Form Body", "code": 50035}'),
    ("Discord", 400, '{"content": ["Must be 2000 or fewer in length."]}'),
    ("Telegram", 400, '{"description": "Bad Request: message is too long"}'),
    ("Telegram", 400, """{"description": "Bad Request: can't parse entities: Can't find end"}"""),
    ("Telegram", 400, '{"description": "Bad Request: message text is empty"}'),
    ("Teams", 413, '{"error": {"code": "RequestEntityTooLarge"}}'),
    ("Teams", 400, '{"error": {"message": "Bad payload received by generic incoming webhook."}}'),
    ("Mattermost", 400, '{"message": "Unable to parse incoming data"}'),
    (
        "Mattermost",
        400,
        '{"id": "model.post.is_valid.msg.app_error", "message": "Invalid message."}',
    ),
    ("Rocket.Chat", 400, '{"error": "Message size exceeds limit [error-message-size-exceeded]"}'),
    ("Matrix", 413, '{"errcode": "M_TOO_LARGE", "error": "event too large"}'),
    ("Google Chat", 400, '{"error": {"message": "Invalid JSON payload received."}}'),
    ("Google Chat", 400, '{"error": {"message": "Message cannot be larger than 32000 bytes"}}'),
    ("Zulip", 400, '{"msg": "Malformed JSON", "code": "INVALID_JSON"}'),
    ("ntfy", 41301, '{"error": "attachment too large, or bandwidth limit reached"}'),
    ("ntfy", 40017, '{"error": "invalid request: request body must be valid JSON"}'),
    ("Pushover", 400, '{"message": "cannot be longer than 1024 characters"}'),
    ("Gotify", 400, '{"errorDescription": "invalid body"}'),
    (
        "Twilio",
        21617,
        '{"message": "The concatenated message body exceeds the 1600 character limit"}',
    ),
    ("Signal", 400, '{"error": "Couldn\'t process request - message too long"}'),
]


@pytest.mark.parametrize(("service", "status", "said"), ANSWERS, ids=lambda one: str(one)[:20])
def test_a_service_that_refuses_a_text_is_not_away(service: str, status: int, said: str) -> None:
    refused, _certain = _refusal(failed(status, said))
    assert refused, service


@pytest.mark.parametrize(
    ("status", "said", "refused", "certain"),
    [
        (400, "message is too long", True, True),
        (413, "", True, True),
        (400, "chat not found", True, False),  # the receiver's record decides
        (422, "", True, False),
        (401, "message is too long", False, False),
        (403, "invalid body", False, False),
        (404, '{"message": "Unknown Webhook"}', False, False),
        (429, "too large a number of requests", False, False),
        (42908, "too many: limit exceeded", False, False),
        (500, "text too long", False, False),
        (503, "", False, False),
        (20003, "Authenticate", False, False),
    ],
)
def test_what_an_answer_says(status: int, said: str, refused: bool, certain: bool) -> None:
    assert _refusal(failed(status, said)) == (refused, certain)


def test_what_was_sent_says_nothing() -> None:
    assert _refusal(failed(400, "no")) == (True, False)


def test_one_that_cannot_be_reached_refuses_nothing() -> None:
    lines = [
        (
            "WARNING",
            "A Connection error occurred sending ntfy:https://ntfy.sh/too-long notification.",
        ),
        ("DEBUG", "Socket Exception: HTTPSConnectionPool(host='ntfy.sh'): Max retries exceeded"),
    ]
    assert _refusal(lines) == (False, False)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        ("400 Bad Request", b"message is too long", "refused"),
        ("413 Content Too Large", b"", "refused"),
        ("401 Unauthorized", b"invalid token", "failed"),
        ("429 Too Many", b"slow down", "failed"),
        ("500 Oh", b"message is too long", "failed"),
    ],
)
async def test_over_the_wire(status: str, body: bytes, outcome: str) -> None:
    async with serving(answer(body, status=status)) as served:
        url = served.url.replace("http:", "json:")
        result = await notifier(url).send(notice())
    assert (result.outcome, result.certain) == (outcome, outcome == "refused")
    assert result.note.startswith("JSON: ")
    assert status[:3] in result.note
    assert len(served.requests) == 1, "one attempt is one request"


async def test_what_the_service_said_is_kept_apart_from_the_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = answer(b'{"content": ["Must be 2000 or fewer in length."]}', status="400 Bad Request")
    url = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
    async with intercepting(monkeypatch, tmp_path, said, "discord.com"):
        result = await notifier(url).send(notice())
    assert result.outcome == "refused"
    assert result.note.startswith("Discord: ")
    assert "400" in result.note
    assert "fewer in length" not in result.note
    assert result.excerpt == '{"content": ["Must be 2000 or fewer in length."]}'
    for part in ("4174216298", "JHMHI8qBe7bk2ZwO5U711o3dV_js"):
        assert part not in result.note + result.excerpt


class Strict:
    """A mail server that takes small mails."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        return self.answer if len(envelope.content) > 3_000 else "250 taken"


@pytest.fixture
def mail_server(request: pytest.FixtureRequest) -> Iterator[str]:
    server = Controller(
        Strict(request.param), hostname="127.0.0.1", port=asyncio.run(unused_port())
    )
    server.start()
    try:
        yield f"mailto://127.0.0.1:{server.port}?from=watcher@example.com&to=team@example.com"
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("mail_server", "outcome"),
    [
        ("552 5.3.4 Message size exceeds fixed limit", "refused"),
        ("554 5.6.0 Message content rejected", "refused"),
        ("554 5.7.1 Spam", "failed"),
        ("451 4.7.1 Greylisted, try again later", "failed"),
    ],
    indirect=["mail_server"],
)
async def test_a_mail_that_is_refused(mail_server: str, outcome: str) -> None:
    result = await notifier(mail_server).send(notice("x " * 3_000))
    assert result.outcome == outcome
    small = await notifier(mail_server).send(notice("x " * 3_000 + LINK, brief=True))
    assert (small.outcome, small.note) == ("ok", "E-Mail: accepted")


async def test_a_brief_text_is_short_and_plain_and_leads_where_it_led() -> None:
    async with serving(answer()) as served:
        url = served.url.replace("http:", "json:")
        body = Text([Part(f"**bold** [open]({LINK}) ", True), Part("word " * 2_000 + LINK, False)])
        result = await notifier(url).send(notice(body, brief=True, format="markdown"))
    assert result.outcome == "ok"
    sent = json.loads(served.requests[0].partition(b"\r\n\r\n")[2])["message"]
    assert len(sent) <= 500
    assert "**" not in sent
    assert sent.endswith(LINK)


async def test_of_several_addresses_one_that_fails_comes_before_one_that_refuses() -> None:
    async def here(_served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with serving(here) as bad, serving(answer()) as good:
        urls = [one.url.replace("http:", "json:") for one in (good, bad)]
        result = await notifier(*urls).send(notice())
        assert (result.outcome, len(result.reached)) == ("refused", 1)
        down = f"json://127.0.0.1:{await unused_port()}"
        assert (await notifier(*urls, down).send(notice())).outcome == "failed"
