"""Webhooks: what goes out, checked with the receivers' own libraries, and what answers mean."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.loopback import answer, serving
from watcher.clock import wall_clock
from watcher.errors import ConfigError, Problem
from watcher.model import Event, Result
from watcher.notify import Notice, Notifier
from watcher.notify.webhook import WebhookNotifier, WebhookReceiver, read_answer
from watcher.records import HttpReply
from watcher.transport import Transport

SECRET = "whsec_" + base64.b64encode(b"a secret of tests, 32 bytes long").decode()
NOW = datetime(2026, 11, 20, 10, 0, 5, 987654, tzinfo=UTC)
EVENT = Event(
    id="0123456789abcdef",
    type="conversation.unread",
    source="sales",
    subject="c1",
    time=NOW,
    data={"source": "sales", "conversation": {"last_message": {"text": "Grüße\n<script> 🙂"}}},
)


class Recorder:
    """A `Post` that keeps what it is given and answers 200."""

    def __init__(self) -> None:
        self.url = ""
        self.content = b""
        self.headers: Mapping[str, str] = {}
        self.timeout = 0.0
        self.calls = 0

    async def __call__(
        self, url: str, *, content: bytes, headers: Mapping[str, str], timeout: float
    ) -> HttpReply:
        self.calls += 1
        self.url, self.content, self.headers, self.timeout = url, content, headers, timeout
        return HttpReply(200, {}, b"")


def notifier(post: Any, *, secret: str | None = SECRET, **headers: str) -> WebhookNotifier:
    return WebhookNotifier(
        url=lambda: "https://crm.example.com/hook",
        secrets=lambda: [] if secret is None else [secret],
        headers=lambda: headers,
        timeout=7.5,
        post=post,
    )


def notice(at: datetime) -> Notice:
    return Notice(EVENT, "title", "body", at)


@given(
    st.integers(10**15, 4 * 10**15).map(lambda us: datetime.fromtimestamp(us / 1e6, UTC)),
    st.integers(-14 * 60, 14 * 60),
)
def test_signature_and_timestamp_agree_on_the_utc_second_in_every_zone(
    at: datetime, minutes: int
) -> None:
    post = Recorder()
    local = at.astimezone(timezone(timedelta(minutes=minutes)))
    asyncio.run(notifier(post).send(notice(local)))
    second = int(post.headers["webhook-timestamp"])
    assert second == int(at.replace(microsecond=0).timestamp())
    signed = Webhook(SECRET).sign(
        EVENT.id, datetime.fromtimestamp(second, UTC), post.content.decode()
    )
    assert post.headers["webhook-signature"] == signed


async def test_the_official_library_accepts_the_delivery_now() -> None:
    async with serving(answer(b"ok")) as served, Transport(wall_clock) as transport:
        hook = WebhookNotifier(
            lambda: served.url,
            lambda: [SECRET],
            lambda: {"X-Team": "sales"},
            5.0,
            transport.webhook(),
        )
        result = await hook.send(notice(wall_clock().astimezone(timezone(timedelta(hours=9)))))
    assert (result.outcome, result.note, result.status, result.excerpt) == (
        "ok", "HTTP 200", 200, "ok"
    )  # fmt: skip
    assert result.seconds is not None
    assert 0 < result.seconds < 5
    head, _, body = served.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert Webhook(SECRET).verify(body, headers) == json.loads(EVENT.body())
    assert body == EVENT.body()
    assert headers["x-team"] == "sales"
    assert headers["webhook-id"] == EVENT.id


async def test_while_a_secret_is_replaced_who_has_either_of_them_can_verify() -> None:
    other = "whsec_" + base64.b64encode(b"the secret that replaces the first").decode()
    post = Recorder()
    hook = WebhookNotifier(lambda: "https://a.example", lambda: [SECRET, other], dict, 5.0, post)
    await hook.send(notice(wall_clock()))
    signatures = post.headers["webhook-signature"].split(" ")
    assert [one[:3] for one in signatures] == ["v1,", "v1,"]
    for secret in (SECRET, other):
        assert Webhook(secret).verify(post.content, dict(post.headers)) == json.loads(EVENT.body())
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"a third one").decode()).verify(
            post.content, dict(post.headers)
        )


async def test_the_cloudevents_sdk_reads_the_delivery() -> None:
    post = Recorder()
    await notifier(post).send(notice(NOW))
    event = from_http_event(HTTPMessage(dict(post.headers), post.content))
    assert event.get_id() == EVENT.id
    assert event.get_type() == "conversation.unread"
    assert event.get_source() == "inbox-watcher/sales"
    assert event.get_subject() == "c1"
    assert event.get_time() == NOW.replace(microsecond=987654)
    assert event.get_data() == EVENT.data


async def test_without_a_secret_there_is_no_signature_but_an_id_and_a_time() -> None:
    post = Recorder()
    await notifier(post, secret=None).send(notice(NOW))
    assert post.headers == {
        "content-type": "application/cloudevents+json",
        "webhook-id": EVENT.id,
        "webhook-timestamp": str(int(NOW.timestamp())),
    }
    assert (post.url, post.timeout) == ("https://crm.example.com/hook", 7.5)


async def test_configured_headers_are_added_and_cannot_replace_those_of_the_contract() -> None:
    post = Recorder()
    hook = notifier(post, **{"X-Team": "sales", "Webhook-Id": "mine", "Content-Type": "text/x"})
    await hook.send(notice(NOW))
    assert post.headers["x-team"] == "sales"
    assert post.headers["webhook-id"] == EVENT.id
    assert post.headers["content-type"] == "application/cloudevents+json"
    assert len({name.lower() for name in post.headers}) == len(post.headers)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_ä-not-base64", "whsec_a", "", "x"])
async def test_a_secret_that_is_none_fails_without_being_quoted_and_nothing_is_posted(
    secret: str,
) -> None:
    post = Recorder()
    result = await notifier(post, secret=secret).send(notice(NOW))
    assert result == Result(
        "failed", "the secret is no Standard Webhooks secret (whsec_ and base64)"
    )
    assert post.calls == 0


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (ConfigError((Problem("rules/a.yaml", 4, 8, "CRM_URL is not set"),)), "CRM_URL is not set"),
    ],
)
async def test_an_address_that_cannot_be_read_is_a_failure(raised: Exception, words: str) -> None:
    def url() -> str:
        raise raised

    hook = WebhookNotifier(url, list, dict, 5.0, Recorder())
    result = await hook.send(notice(NOW))
    assert result.outcome == "failed"
    assert words in result.note


def test_it_sends_the_event_and_not_the_text() -> None:
    hook: Notifier = notifier(Recorder())
    assert not hook.text


def test_every_status_has_one_meaning() -> None:
    for status in range(100, 600):
        result = read_answer(HttpReply(status, {"retry-after": "30"}, b"words"))
        expected = "ok" if 200 <= status < 300 else "gone" if status == 410 else "failed"
        if status in (400, 404, 405, 406, 411, 413, 414, 415, 422, 431):
            expected = "refused"
        assert result.outcome == expected, status
        assert result.too_large == (status == 413)
        assert not result.certain, "others may be refused alike"
        assert result.retry_after == (30.0 if status in (429, 503) else None), status
        assert result.note.startswith(f"HTTP {status}")
        assert ("redirect" in result.note) == (300 <= status < 400), status


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("Fri, 20 Nov 2026 10:02:05 GMT", 120.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
        ("1e300", 7 * 86400.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    told = {"date": "Fri, 20 Nov 2026 10:00:05 GMT"}
    result = read_answer(HttpReply(429, {"retry-after": value, **told}, b""))
    assert result.retry_after == (None if seconds is None else pytest.approx(seconds))


def test_a_date_to_wait_for_says_nothing_where_the_receiver_does_not_tell_its_clock() -> None:
    wish = {"retry-after": "Fri, 20 Nov 2026 10:02:05 GMT"}
    assert read_answer(HttpReply(429, wish, b"")).retry_after is None


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (HttpReply(500, {}, b""), "HTTP 500"),
        (HttpReply(500, {}, b"words of the other side"), "HTTP 500"),
        (HttpReply(302, {"location": "https://a/?secret"}, b"moved"),
         "HTTP 302: a redirect, which is not followed"),
        (HttpReply(0, {}, b"", "crm.example.com:443 refuses connections"),
         "crm.example.com:443 refuses connections"),
    ],
)  # fmt: skip
def test_the_note_is_the_status_and_our_words(answer: HttpReply, note: str) -> None:
    result = read_answer(answer)
    assert (result.outcome, result.note, result.retry_after) == ("failed", note, None)
    assert result.status == (answer.status or None)


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (b"", ""),
        (b'{\r\n  "error": "no\tsuch\x1b[31m lead"\r\n}\r\n', '{\n  "error": "no such [31m lead"\n}'),
        (b"\xff" * 600, "\ufffd" * 500),
        (b"key hunter2 " + b"x" * 600, "key *** " + "x" * 492),
        (b"x" * 496 + b"hunter2", "x" * 496 + "***"),
    ],
)  # fmt: skip
def test_the_first_500_characters_are_kept_for_who_debugs(body: bytes, excerpt: str) -> None:
    def scrub(text: str) -> str:
        return text.replace("hunter2", "***")

    for status in (200, 301, 404, 410, 500):
        result = read_answer(HttpReply(status, {}, body), scrub)
        assert (result.status, result.excerpt) == (status, excerpt)
        assert "hunter" not in result.note


@pytest.mark.parametrize(("size", "right"), [(1, False), (23, False), (24, True), (64, True)])
def test_a_secret_has_24_bytes(size: int, right: bool) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * size).decode()
    settings = {
        "name": "crm",
        "type": "webhook",
        "url": "https://crm.example.com",
        "secret": secret,
    }
    if right:
        assert WebhookReceiver.model_validate(settings).signing
    else:
        with pytest.raises(ValueError, match="too short"):
            WebhookReceiver.model_validate(settings)
    pattern = WebhookReceiver.model_json_schema()["properties"]["secret"]["pattern"]
    assert bool(re.search(pattern, secret)) == right
    assert re.search(pattern, "${CRM_WEBHOOK_SECRET}")
