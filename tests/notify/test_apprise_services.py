"""What really leaves for each service: a stranger's words ping nobody, link nowhere, format nothing.

The requests are those of Apprise, caught on loopback; they are read by each service's own rules.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import pytest
from packaging.version import Version

from tests.markup.test_escaping import MENTIONS, plain, read_html, read_markdown
from tests.support.interception import intercepting
from tests.support.loopback import Served, answer, serving
from watcher.markup import FORMATS, Format, Text, service_of
from watcher.markup.services import SERVICES
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.apprise import AppriseNotifier

NEW_IN_2_3 = {"acs", "awswhatsapp", "bale", "instagram", "notifyapp", "opsimate", "opsimates"}
"""What `apprise>=2.2` need not have."""

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)

NAME = "Eve <!channel> @everyone *x* [y](http://evil.example)\r\nBcc: x@evil.example\u202e"
WORDS = (
    "hello <!here> <@U123|boss> @here @all @**all** <@&77> <users/all> <at>Ana</at>\n"
    "# big\n> quoted\n- item\n*bold* _it_ ~gone~ `code` ||hidden||\n```\nfence\n```\n"
    "[bank](http://evil.example) ![p](http://evil.example/p.png) <http://evil.example|bank>"
    " <b>b</b><a href='http://evil.example'>a</a> &lt; &amp; \x1b[31m\u202ezero\u200bwidth"
    " see https://shop.example/a_b"
)  # fmt: skip
AUTHOR = {
    "text": ("Message from ", ":\n"),
    "markdown": ("**Message** from ", ":\n\n"),
    "html": ("<b>Message</b> from ", ":<br>\n"),
}


def message(format_: Format) -> Notice:
    before, between = AUTHOR[format_]
    title = Text([("From ", True), (NAME, False)])
    body = Text([(before, True), (NAME, False), (between, True), (WORDS, False)])
    event = Event("e1", "conversation.unread", "sales", "c1", AT, {})
    return Notice(event, title, body, AT, format_)


def texts(value: Any) -> Iterator[str]:
    """Walk through all texts of decoded JSON."""
    if isinstance(value, str):
        yield value
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from texts(inner)


def told(request: bytes) -> list[str]:
    """Return the texts of a request that hold what the stranger wrote."""
    head, _, body = request.partition(b"\r\n\r\n")
    decoded = body.decode()
    if b"x-www-form-urlencoded" in head.lower():
        values: Any = [one for several in parse_qs(decoded).values() for one in several]
    else:
        values = json.loads(decoded)
    found = [text for text in texts(values) if "Eve" in text or "hello" in text]
    assert found, decoded
    return found


BARE = re.compile(r"https?://[^\s<>()\[\]|\"\\]+")


def as_markdown_service(text: str, format_: Format) -> None:
    text = text.removeprefix("# ")  # Apprise's own, where a service has no titles
    read, found = read_markdown(text.replace("\r\n", "\n\n"))
    own = {"strong_open", "strong_close"} if format_ != "text" else set()
    assert found <= own, (found, text)
    shown = plain(read)
    assert "[bank](http://evil.example)" in shown or "hello" not in shown, shown


def as_slack(text: str, _format: Format) -> None:
    """By Slack's own page: only `<…>` is special, and `*`, `_`, `~`, a backtick, `>` in mrkdwn."""
    text = re.sub(r"<https?://[^<>|\s]+>", "", text)  # a bare address as well
    assert not re.search("<[^>]*>", text), text
    shown = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    # Google Chat has no titles: Apprise makes the first line bold.
    inserted = re.sub(r"\A\*(From .*)\*$", r"\1", shown, count=1, flags=re.MULTILINE)
    inserted = BARE.sub("", inserted.replace("*Message*", ""))
    assert not re.search(r"(?<!\w)[*_~`][^\s*_~`][^\n]*?(?<!\s)[*_~`](?!\w)", inserted), inserted
    assert not re.search(r"^>", inserted, re.MULTILINE)


def as_html_chat(text: str, format_: Format) -> None:
    text = re.sub(r'<a href="([^"]*)">\1</a>', r"\1", text)  # a bare address as well
    _, tags = read_html(text)
    assert tags <= {"b", "strong", "br", "p", "h1"} - (
        {"strong"} if format_ == "text" else set()
    ), text


def as_telegram(text: str, format_: Format) -> None:
    if (
        format_ == "markdown"
    ):  # the first Markdown of Telegram: `\` escapes `_`, `*`, a backtick, `[`
        rest = re.sub(r"\\[_*`\[]", "", text).replace("*Message*", "", 1)
        rest = BARE.sub("", re.sub(r"\A\*[^*\n]*\*", "", rest))
        assert not re.search(r"[*_`]|\[[^\]]*\]\(", rest), rest
    else:
        as_html_chat(text, format_)


def as_text(_text: str, _format: Format) -> None:
    """Nobody reads markup into it."""


def as_pushover(text: str, format_: Format) -> None:
    if format_ != "text":  # Apprise sets its `html` for the others only
        as_html_chat(text, format_)


Reader = Callable[[str, Format], None]

REMOTE: tuple[tuple[str, str, Reader], ...] = (
    ("hooks.slack.com", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", as_slack),
    ("hooks.slack.com", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?blocks=yes", as_slack),
    ("discord.com", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", as_markdown_service),
    ("discord.com", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?format=markdown", as_markdown_service),
    ("api.telegram.org", "tgram://123456789:abcdefg_hijklmnop/12315544/", as_telegram),
    ("prod-00.westeurope.logic.azure.com",
     "workflows://prod-00.westeurope.logic.azure.com:443/643e69f83c8944/signature", as_markdown_service),
    ("chat.googleapis.com", "gchat://workspace/webhookkey/token", as_slack),
    ("api.ciscospark.com", "webex://" + "a" * 80, as_markdown_service),
    ("apprise.zulipchat.com", "zulip://botname@apprise/" + "a" * 32 + "/channel", as_markdown_service),
    ("media.guilded.gg", "guilded://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", as_markdown_service),
    ("open.larksuite.com", "lark://abcdef-1234-abcd-1234-abcdef123456", as_text),
    ("api.pushover.net", "pover://" + "u" * 30 + "@" + "a" * 30, as_pushover),
)  # fmt: skip

LOCAL: tuple[tuple[str, Reader], ...] = (
    ("mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4", as_markdown_service),
    ("nctalk://user:pass@127.0.0.1:{port}/room", as_markdown_service),
    ("hassio://127.0.0.1:{port}/" + "a" * 20, as_markdown_service),
    ("matrix://user:token@127.0.0.1:{port}/?mode=slack", as_text),
    ("mastodon://token@127.0.0.1:{port}", as_text),
    ("ntfy://127.0.0.1:{port}/topic", as_text),
    ("gotify://127.0.0.1:{port}/AbCdEfGhIjKlMnO", as_text),
    ("json://127.0.0.1:{port}", as_text),
    ("form://127.0.0.1:{port}", as_text),
)
UNGUARDED = ("pover", "ntfy", "gotify", "json", "form")


async def said(served: Served, writer: asyncio.StreamWriter) -> None:
    """Answer as each service does that has taken a message."""
    slack = b"\r\nhost: hooks.slack.com" in served.requests[-1].lower()
    everybody = b'{"ok": true, "id": "1", "result": "success", "status": 1, "code": 0}'
    writer.write(answer(b"ok" if slack else everybody))


async def leaves(url: str, served: Served, format_: Format) -> list[str]:
    """Send, and give what left."""
    del served.requests[:]
    team = AppriseNotifier(lambda: [url], "team", anyio.CapacityLimiter(1), deadline=60.0)
    result = await team.send(message(format_))
    assert result.outcome == "ok", (url.partition(":")[0], result.note)
    return [text for request in served.requests for text in told(request)]


def examine(url: str, found: list[str], reader: Reader, format_: Format) -> None:
    service = url.partition(":")[0]
    for text in found:
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", text), (service, text)
        whole = "hello" not in text or text.endswith("(cut)")
        assert whole or "zerowidth" in plain(text), (service, text)
        if service not in UNGUARDED:
            unescaped = (
                re.sub(r"\\([^\w\s])", r"\1", text).replace("&lt;", "<").replace("&gt;", ">")
            )
            unescaped = re.sub(r"<https?://[^<>|\s]+>", "", unescaped)  # a bare address as well
            own = re.sub(r"</?(?:b|strong|br|p|h1)[ /]*>", "", unescaped)
            assert not MENTIONS.search(own), (service, own)
        if "hello" in text or service_of(url).shown:  # else a title that nobody reads markup into
            reader(text, format_)


@pytest.mark.parametrize("format_", FORMATS)
async def test_services_on_the_internet(
    format_: Format, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hosts = dict.fromkeys(host for host, _, _ in REMOTE)
    async with intercepting(monkeypatch, tmp_path, said, *hosts) as served:
        for _, url, reader in REMOTE:
            examine(url, await leaves(url, served, format_), reader, format_)


@pytest.mark.parametrize("format_", FORMATS)
async def test_services_of_ones_own(format_: Format) -> None:
    async with serving(said) as served:
        for template, reader in LOCAL:
            url = template.format(port=served.port)
            examine(url, await leaves(url, served, format_), reader, format_)


def test_every_schema_of_the_installed_apprise_is_decided_and_no_other() -> None:
    """Tested with the locked and with the newest Apprise (.ci/run): one that it adds or renames would
    silently get plain text.
    """
    listing = (
        "from apprise import Apprise; print(*(name"
        " for plugin in Apprise().details(show_disabled=True)['schemas']"
        " for kind in ('protocols', 'secure_protocols') for name in plugin[kind] or ()))"
    )
    command = [sys.executable, "-W", "ignore", "-c", listing]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    there = set(done.stdout.split())
    assert there - SERVICES.keys() == set(), "new in Apprise: decide, see the header of the table"
    older = Version(version("apprise")) < Version("2.3")
    assert SERVICES.keys() - there == (NEW_IN_2_3 if older else set())
