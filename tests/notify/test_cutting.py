"""Events that are larger than a webhook takes: cut, marked, and as they are in everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import T0
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.cutting import cut
from watcher.notify.webhook import WebhookNotifier
from watcher.records import HttpReply

KIB = 1024
URL = "https://app.example.com/" + "c" * 400


def event(text: str = "hello", **conversation: Any) -> Event:
    shown = {
        "id": "c" * 300,
        "url": URL,
        "contact": {"name": "Maria"},
        "last_message": {"text": text, "direction": "inbound"},
        "labels": [],
        "attributes": {},
        **conversation,
    }
    before = {"text": "before", "direction": "inbound"}
    changes = {"last_message": {"before": before, "after": shown["last_message"]}}
    data = {"source": "s", "provider": "p", "conversation": shown, "changes": changes}
    return Event("e1", "conversation.message", "s", "c" * 300, T0, data)


def test_what_fits_stays_as_it_is() -> None:
    small = event("x" * 1000)
    assert cut(small, 64 * KIB) is small


@pytest.mark.parametrize("text", ["x" * 200_000, "ü" * 100_000, "🙂" * 100_000, '"\\\n' * 60_000])
def test_a_long_text_is_cut_wherever_it_stands(text: str) -> None:
    done = cut(event(text), 64 * KIB)
    assert len(done.body()) <= 64 * KIB
    assert len(done.body()) > 60 * KIB, "and no more than it must be"
    data = done.data
    assert data["cut"] == ["conversation.last_message.text", "changes.last_message.after.text"]
    for said in (data["conversation"]["last_message"], data["changes"]["last_message"]["after"]):
        assert said["text"].endswith("…")
        assert text.startswith(said["text"][:-1])
        assert said["direction"] == "inbound"
    assert (done.id, done.subject, data["conversation"]["url"]) == ("e1", "c" * 300, URL)


def test_shorter_texts_stay_whole() -> None:
    done = cut(event("x" * 100_000, attributes={"note": "n" * 1000}), 64 * KIB)
    assert done.data["conversation"]["attributes"] == {"note": "n" * 1000}
    assert "conversation.attributes.note" not in done.data["cut"]


def test_where_texts_are_not_the_reason_attributes_and_long_lists_go() -> None:
    many = {f"key{number}": [number] * 50 for number in range(2000)}
    large = event(attributes=many, labels=[f"label {number}" for number in range(9000)])
    done = cut(large, 64 * KIB)
    assert len(done.body()) <= 64 * KIB
    shown = done.data["conversation"]
    assert (shown["attributes"], len(shown["labels"])) == ({}, 50)
    assert {"conversation.attributes", "conversation.labels"} <= set(done.data["cut"])
    assert shown["last_message"]["text"] == "hello"


def test_both_sides_of_changed_attributes_remain_sides() -> None:
    many = {f"key{number}": "v" * 100 for number in range(2000)}
    changed = event()
    changes = {"attributes": {"before": many, "after": many}}
    large = Event("e1", changed.type, "s", "c", T0, {**changed.data, "changes": changes})
    assert cut(large, 64 * KIB).data["changes"] == {"attributes": {"before": {}, "after": {}}}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20).map(lambda one: one * 500),
    lambda inner: (
        st.lists(inner, max_size=60) | st.dictionaries(st.text(max_size=8), inner, max_size=9)
    ),
    max_leaves=40,
)


@settings(max_examples=60)
@given(st.text(), st.integers(0, 50_000), st.dictionaries(st.text(min_size=1), plain, max_size=5))
def test_every_event_fits_and_every_attempt_is_the_same(
    word: str, times: int, attributes: dict[str, Any]
) -> None:
    large = event((word * times)[:100_000], attributes=attributes)
    done = cut(large, 64 * KIB)
    assert len(done.body()) <= max(64 * KIB, 0)
    assert done.body() == cut(large, 64 * KIB).body()
    assert (done.id, done.type, done.time) == (large.id, large.type, large.time)
    assert ("cut" in done.data) == (done is not large)


class Recorder:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, _url: str, *, content: bytes, **_rest: Any) -> HttpReply:
        self.bodies.append(content)
        return HttpReply(200, {}, b"")

    async def aclose(self) -> None:
        """Close nothing."""


def notifier(post: Recorder, **changed: Any) -> WebhookNotifier:
    return WebhookNotifier(lambda: "https://crm.example/hook", list, dict, 5.0, post, **changed)


async def test_a_body_is_at_most_256_kib_unless_it_is_said() -> None:
    post = Recorder()
    notice = Notice(event("x" * 400_000), "", "", T0)
    assert (await notifier(post).send(notice)).outcome == "ok"
    assert (await notifier(post, largest=KIB * KIB).send(notice)).outcome == "ok"
    assert len(post.bodies[0]) <= 256 * KIB
    assert json.loads(post.bodies[0])["id"] == "e1"
    assert post.bodies[1] == notice.event.body()


async def test_a_digest_that_is_too_large_is_not_posted_but_halved() -> None:
    post = Recorder()
    one = event("x" * 90_000).to_plain()
    digest = Event("m1", "watcher.digest", "", None, T0, {"events": [one, one]})
    result = await notifier(post, largest=200 * KIB).send(Notice(digest, "", "", T0))
    assert (result.outcome, result.too_large, post.bodies) == ("refused", True, [])
    assert result.note.startswith("the digest has 36")
    half = Event("m2", "watcher.digest", "", None, T0, {"events": [one]})
    assert (await notifier(post, largest=100 * KIB).send(Notice(half, "", "", T0))).outcome == "ok"
    (body,) = map(json.loads, post.bodies)
    assert body["data"]["cut"][0] == "events.0.data.conversation.last_message.text"
