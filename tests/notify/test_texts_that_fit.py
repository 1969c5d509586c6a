"""Any text fits the fifteen services that people use most, keeps its link, and is valid markup.

What is read is what leaves the machine, caught on loopback; the figures here are Apprise's, written down a
second time on purpose.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.markup.test_escaping import HOSTILE, read_html, read_markdown
from tests.notify.test_apprise import Mailbox, mailbox
from tests.support.interception import intercepting
from tests.support.loopback import Served, answer, serving
from watcher.markup import FORMATS, Draft, Format, Text
from watcher.model import Event
from watcher.notify import Notice, _apprise_worker
from watcher.notify.apprise import AppriseNotifier

__all__ = ["mailbox"]

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
LINK = "https://inbox.example.com/accounts/3/conversations/12"
SIZES = (10, 2_000, 20_000, 100_000)
OWN: dict[Format, tuple[str, str, str, str]] = {
    "text": ("From ", ":\n", "\n", "\n"),
    "markdown": ("**", "** *said*:\n\n", "\n\n[Open it](", ")"),
    "html": ("<p><b>", "</b> <i>said</i>:</p><p>", '</p><p><a href="', '">Open it</a></p>'),
}


def draft(format_: Format, text: str) -> Draft:
    before, between, behind, end = OWN[format_]
    body = [(before, True), ("Ana_B *x*", False), (between, True), (text, False), (behind, True)]
    title = Text([("From ", True), ("Ana_B *x*", False)])
    return Draft(title, Text([*body, (LINK, False), (end, True)]), format_, LINK)


@dataclass(frozen=True)
class Service:
    url: str
    title: Callable[[Any], str]
    body: Callable[[Any], str]
    most: int
    longest_title: int = 0
    host: str = ""
    markup: str = "text"
    size: Callable[[str], int] = len


def of(*path: str | int) -> Callable[[Any], str]:
    def found(payload: Any) -> str:
        for step in path:
            payload = payload[step]
        return str(payload)

    return found


def blocks(value: Any) -> Iterator[str]:
    """Walk through the texts of a card."""
    if isinstance(value, dict) and "text" in value:
        yield value["text"]
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from blocks(inner)


def card(index: int) -> Callable[[Any], str]:
    return lambda payload: list(blocks(payload))[index]


def none(_payload: Any) -> str:
    return ""


def event_of(payload: Any) -> str:
    return json.dumps(payload, ensure_ascii=False)


def utf8(text: str) -> int:
    return len(text.encode())


SERVICES: dict[str, Service] = {
    "slack": Service(
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", of("attachments", 0, "title"),
        of("attachments", 0, "text"), 35_000, 250, "hooks.slack.com"),
    "discord": Service(
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", none, of("content"), 2_000, 0,
        "discord.com", "markdown"),
    "telegram": Service(
        "tgram://123456789:abcdefg_hijklmnop/12315544/", none, of("text"), 4_096, 0,
        "api.telegram.org", "telegram"),
    "teams": Service(
        "workflows://prod-00.westeurope.logic.azure.com:443/643e69f83c8944/signature", card(0), card(1),
        1_000, 250, "prod-00.westeurope.logic.azure.com", "markdown"),
    "mattermost": Service(
        "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4", none, of("text"), 4_000,
        markup="markdown"),
    "rocketchat": Service(
        "rocket://" + "a" * 24 + "%2F" + "b" * 24 + "@127.0.0.1:{port}", none, of("text"), 1_000,
        markup="markdown"),
    "matrix": Service(
        "matrix://user:token@127.0.0.1:{port}/!room:example.com", none, event_of, 65_536, size=utf8),
    "gchat": Service(
        "gchat://workspace/webhookkey/token", none, of("text"), 4_000, 0, "chat.googleapis.com"),
    "zulip": Service(
        "zulip://botname@apprise/" + "a" * 32 + "/channel", of("topic"), of("content"), 10_000, 60,
        "apprise.zulipchat.com", "markdown"),
    "ntfy": Service("ntfy://127.0.0.1:{port}/topic", of("title"), of("message"), 7_800, 200, size=utf8),
    "pushover": Service(
        "pover://" + "u" * 30 + "@" + "a" * 30, of("title"), of("message"), 1_024, 250,
        "api.pushover.net", "html"),
    "gotify": Service("gotify://127.0.0.1:{port}/AbCdEfGhIjKlMnO", of("title"), of("message"), 32_768, 250),
    "mail": Service("{mail}", of("title"), of("body"), 32_768, 250, markup="html"),
    "twilio": Service(
        "twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@15551234567/15557654321", none, of("Body"), 160, 0,
        "api.twilio.com"),
    "signal": Service("signal://127.0.0.1:{port}/15551234567/15557654321", none, of("message"), 32_768),
}  # fmt: skip


def examine(name: str, payload: Any, format_: Format, sent: Draft) -> None:
    service = SERVICES[name]
    body, title = service.body(payload), service.title(payload)
    assert service.size(body) <= service.most, (name, format_, service.size(body))
    assert len(title) <= service.longest_title, (name, title)
    leads = re.sub("%5F", "_", body.replace("&amp;", "&").replace("\\", ""))
    assert LINK in leads, (name, format_, body[-300:])
    if len(sent.body) > 35_000:
        assert "(cut)" in leads, (name, body[-100:])
    match service.markup, format_:
        case "markdown", _:
            _, found = read_markdown(body.removeprefix("# ").replace("\r\n", "\n\n"))
            own = {"strong_open", "strong_close", "em_open", "em_close", "link_open", "link_close"}
            assert found <= (set() if format_ == "text" else own), (name, format_, found)
        case ("html", "markdown" | "html") | ("telegram", "text" | "html"):
            closed(name, body)


def closed(name: str, body: str) -> None:
    """Every tag that is opened is closed, and no entity is cut."""
    stack: list[str] = []
    for close, tag in re.findall(r"<(/?)([a-z0-9]+)\b[^<>]*>", body):
        if tag in ("br", "hr", "meta", "img"):
            continue
        if close:
            assert stack, (name, body)
            assert stack.pop() == tag, (name, body)
        else:
            stack.append(tag)
    assert not stack, (name, stack)
    assert "<" not in re.sub("<[^<>]*>", "", body), (name, body)
    assert not re.search(r"&[#a-z0-9]*(?![#a-z0-9;])", body.replace("& ", "")), (name, body)
    assert read_html(body)[1] <= {
        *(
            "b",
            "strong",
            "i",
            "em",
            "u",
            "a",
            "br",
            "p",
            "h1",
            "html",
            "head",
            "body",
            "meta",
            "title",
        ),
        *("code", "pre", "s", "font"),
    }, name


def told(request: bytes) -> Any:
    head, _, body = request.partition(b"\r\n\r\n")
    if b"x-www-form-urlencoded" in head.lower():
        return {name: values[0] for name, values in parse_qs(body.decode()).items()}
    return json.loads(body)


SIGNS = (
    "Hello", "*bold*", "_it_", "<b>", "&", "&lt;", "\n", "\n- ", "# x\n", "\U0001f600", "word", "<", "größe",
    "https://shop.example/a-b?c=1", "[a](b)", "`c`", "of", "the", "customer", "\U0001f468\u200d\U0001f469",
    "e\u0301", "你好", "~~x~~", "||y||", "@here", "> q\n",
)  # fmt: skip


def words(size: int) -> str:
    """A text of such a length, the same at every run."""
    chosen = random.Random(size)
    text = ""
    while len(text) < size:
        text += chosen.choice(SIGNS) + " "
    return text[:size]


async def said(served: Served, writer: asyncio.StreamWriter) -> None:
    """Answer as each service does that has taken a message."""
    request = served.requests[-1].lower()
    slack = b"\r\nhost: hooks.slack.com" in request
    created = b"host: api.twilio.com" in request or b"/v2/send" in request
    body = (
        b'{"ok": true, "id": "1", "result": "success", "status": 1, "success": true, "code": 0,'
        b' "access_token": "t", "user_id": "@u:example.com", "room_id": "!room:example.com",'
        b' "event_id": "$e", "home_server": "example.com", "device_id": "D",'
        b' "joined_rooms": ["!room:example.com"]}'
    )
    status = "201 Created" if created else "200 OK"
    writer.write(answer(b"ok" if slack else body, status=status))


async def leaves(url: str, notice: Notice) -> None:
    team = AppriseNotifier(
        lambda: [url], "team", anyio.CapacityLimiter(1), longest=100_000, deadline=60.0
    )
    result = await team.send(notice)
    assert result.outcome == "ok", (url.partition(":")[0], result.note)


def payloads(name: str, served: Served) -> list[Any]:
    every = [told(request) for request in served.requests if request.partition(b"\r\n\r\n")[2]]
    return [one for one in every if name != "matrix" or "msgtype" in one]


@pytest.mark.parametrize("format_", FORMATS)
async def test_what_leaves_fits(
    format_: Format, mailbox: tuple[Mailbox, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    box, mail = mailbox
    hosts = [service.host for service in SERVICES.values() if service.host]
    async with (
        serving(said) as here,
        intercepting(monkeypatch, tmp_path, said, *hosts) as far,
    ):
        for name, service in SERVICES.items():
            served = far if service.host else here
            for size in SIZES:
                sent = draft(format_, words(size))
                data = {"conversation": {"url": LINK}}
                event = Event("e1", "conversation.unread", "sales", "c1", AT, data)
                notice = Notice(event, sent.title, sent.body, AT, format_)
                del served.requests[:]
                await leaves(service.url.format(port=here.port, mail=mail), notice)
                if name == "mail":
                    body = box.mails[-1].get_body(("plain",) if format_ == "text" else ("html",))
                    assert body is not None
                    content = {
                        "title": box.mails[-1]["Subject"],
                        "body": body.get_content().replace("\r\n", "\n"),
                    }
                    found = [content]
                else:
                    found = payloads(name, served)
                assert len(found) == 1, (name, len(found))
                examine(name, found[0], format_, sent)


def _collecting(pieces: list[dict[str, Any]]) -> Callable[..., bool]:
    def send(**piece: Any) -> bool:
        pieces.append(piece)
        return True

    return send


def plugins() -> Iterator[tuple[str, Any]]:
    for name, service in SERVICES.items():
        url = service.url.format(
            port=1, mail="mailto://127.0.0.1:1?from=a@example.com&to=b@example.com"
        )
        plugin, problem = _apprise_worker._load(url)
        assert problem is None, (name, problem)
        yield name, (url, plugin)


@pytest.mark.filterwarnings("ignore")
@given(
    st.lists(HOSTILE | st.text(min_size=1, max_size=20), min_size=1, max_size=6).map("".join),
    st.sampled_from(SIZES),
    st.sampled_from(FORMATS),
)
@example("0", 100_000, "text")
@settings(max_examples=6, deadline=None)
def test_what_a_plug_in_is_given_fits(piece: str, size: int, format_: Format) -> None:
    text = (piece * (size // len(piece) + 1))[:size] if piece else "x"
    sent = draft(format_, text)
    for name, (url, plugin) in plugins():
        written = _apprise_worker._written(plugin, url, sent, 100_000)
        pieces: list[dict[str, Any]] = []
        plugin.send = _collecting(pieces)
        _apprise_worker._notify(plugin, written)
        assert len(pieces) == 1, name
        (piece_,) = pieces
        # Matrix counts the bytes of the whole event, of which the plug-in leaves 65,000 for the text.
        assert len(piece_["body"]) <= min(SERVICES[name].most, 65_000), name
        assert len(piece_["title"]) <= 250, name
        shown = re.sub("%5F", "_", piece_["body"].replace("&amp;", "&").replace("\\", ""))
        assert LINK in shown, (name, piece_["body"][-200:])
