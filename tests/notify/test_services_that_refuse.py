"""Services that refuse what is too long take every kind of text that we send, with its link."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from tests.support.interception import intercepting
from tests.support.loopback import Served, answer, serving
from tests.support.make import MARIA, T0, conversation_event
from watcher.dispatcher.render import Renderer
from watcher.markup import brief
from watcher.metrics import Metrics
from watcher.model import Contact, Delivery, Message
from watcher.notify import Notice
from watcher.notify.apprise import AppriseNotifier, _draft
from watcher.rules import Rule

LINK = "https://inbox.example.com/app/accounts/3/conversations/12"
TAKES = {"discord": 2_000, "telegram": 4_096, "mattermost": 16_383, "rocketchat": 5_000}
HOSTS = {"discord": "discord.com", "telegram": "api.telegram.org"}
URLS = {
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "telegram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "mattermost": "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4",
    "rocketchat": "rocket://" + "a" * 24 + "%2F" + "b" * 24 + "@127.0.0.1:{port}",
}


def refusing(name: str, taken: list[str]) -> Callable[[Served, asyncio.StreamWriter], Any]:
    """Answer as the service: 400 to what is too long."""

    async def said(served: Served, writer: asyncio.StreamWriter) -> None:
        payload = json.loads(served.requests[-1].partition(b"\r\n\r\n")[2])
        text = payload["content" if name == "discord" else "text"]
        if len(text) > TAKES[name]:
            writer.write(answer(b'{"ok": false}', status="400 Bad Request"))
            return
        taken.append(text)
        writer.write(answer(b'{"ok": true, "success": true}'))

    return said


README = {
    "title": "New message from {{ conversation.contact.name or 'unknown' }}",
    "body": "{{ conversation.last_message.text }}\n{{ conversation.url }}",
}
DIGEST = (
    "{% for e in events %}{{ e.conversation.contact.name }}: {{ e.conversation.last_message.text }}\n"
    "{{ e.conversation.url }}\n{% endfor %}"
)


def owed(number: int, size: int, kind: str = "event", rule: str = "own") -> Delivery:
    message = Message(("Does it have lights? " * (size // 20 + 1))[:size], "inbound", "email", T0)
    shown = dataclasses.replace(
        MARIA, url=LINK, last_message=message, contact=Contact(name="Maria & Co")
    )
    event = dataclasses.replace(conversation_event(conversation=shown), id=f"e{number}")
    return Delivery(f"d{number}", event, "team", rule, T0, T0, kind=kind)  # type: ignore[arg-type]  # of a table


def texts(size: int) -> dict[str, Notice]:
    """Return each kind of text that people get, about a message of a length."""
    usual: dict[str, Any] = {"when": "conversation.unread", "notify": "team"}
    own = {"name": "own", **usual, "message": README}
    digest = {"name": "digest", **usual, "digest": "1h", "message": {"body": DIGEST}}
    rules = tuple(map(Rule.model_validate, (own, {"name": "plain", **usual}, digest)))
    words = Renderer(lambda: rules, Metrics(), structlog.get_logger(), text=True)
    late = T0 + timedelta(hours=5)
    many = range(120)
    return {
        "own words": words.notice([owed(1, size)], T0),
        "default words": words.notice([owed(1, size, rule="plain")], T0),
        "late": words.notice([owed(1, size)], late),
        "own digest": words.notice([owed(n, size, "digest", "digest") for n in many], T0),
        "digest": words.notice([owed(n, size, "digest", "plain") for n in many], T0),
        "collapsed": words.notice([owed(n, size, rule="plain") for n in many], T0),
    }


@pytest.mark.parametrize("name", list(TAKES))
async def test_every_kind_of_text_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[str] = []
    script = refusing(name, taken)
    far = name in HOSTS
    where = intercepting(monkeypatch, tmp_path, script, HOSTS[name]) if far else serving(script)
    async with where as served:
        url = URLS[name].format(port=served.port)
        team = AppriseNotifier(lambda: [url], "team", anyio.CapacityLimiter(1), deadline=60.0)
        for size in (20, 1_989, 5_070, 23_400, 100_000):
            for kind, notice in texts(size).items():
                result = await team.send(notice)
                assert result.outcome == "ok", (kind, size, result.note)
                text = taken[-1].replace("&amp;", "&")
                assert "Maria & Co" in text.replace("\\", ""), (kind, size, text[:200])
                if "digest" in kind or kind == "collapsed":
                    assert "more" in text.splitlines()[-1], (kind, size, text[-200:])
                else:
                    assert LINK in text, (kind, size, text[-200:])
                if kind == "late":
                    assert "This happened at 10:00 UTC, 5 hours ago." in text.replace("\\", "")
    assert len(taken) == 5 * len(texts(20))


def test_the_short_plain_text_of_each_is_short_and_has_the_link() -> None:
    for kind, notice in texts(100_000).items():
        draft = _draft(notice, "text")
        short = brief(draft)
        assert len(short.body) <= 500, kind
        assert LINK in short.body or draft.digest, kind


@pytest.mark.parametrize(
    ("overflow", "longest"),
    [("", 4_000), ("?overflow=split", 4_000), ("?overflow=truncate", 4_000), ("?overflow=upstream", 12_000)],
)  # fmt: skip
async def test_what_the_url_says_of_overflow_wins(overflow: str, longest: int) -> None:
    taken: list[str] = []
    async with serving(refusing("mattermost", taken)) as served:
        url = URLS["mattermost"].format(port=served.port) + overflow
        team = AppriseNotifier(
            lambda: [url], "team", anyio.CapacityLimiter(1), longest=100_000, deadline=60.0
        )
        result = await team.send(texts(10_000)["own words"])
    assert result.outcome == "ok"
    assert (len(taken) > 1) == (overflow == "?overflow=split")
    assert max(map(len, taken)) <= longest
    if overflow == "?overflow=upstream":
        assert len(taken[0]) > 10_000
    if overflow != "?overflow=truncate":
        assert LINK in "".join(taken)
    assert ("(cut)" in "".join(taken)) == (overflow == "")


async def test_each_url_of_a_receiver_gets_as_much_as_it_takes() -> None:
    async with serving(answer(b'{"ok": true}')) as chat, serving(answer(b"{}")) as program:
        urls = [
            URLS["mattermost"].format(port=chat.port),
            f"json://127.0.0.1:{program.port}/",
            URLS["rocketchat"].format(port=chat.port),
        ]
        team = AppriseNotifier(
            lambda: urls, "team", anyio.CapacityLimiter(1), longest=500, deadline=60.0
        )
        result = await team.send(texts(10_000)["own words"])
    assert result.outcome == "ok", result.note
    said = [json.loads(one.partition(b"\r\n\r\n")[2])["text"] for one in chat.requests]
    (whole,) = (json.loads(one.partition(b"\r\n\r\n")[2])["message"] for one in program.requests)
    assert all(500 < len(text) < 700 and LINK in text for text in said)
    assert len(whole) > 10_000
    assert LINK in whole
