"""Apprise receivers against real services: a mail server, Slack's endpoint, servers that fail."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiosmtpd.controller import Controller

from tests.support.interception import intercepting
from tests.support.loopback import Served, answer, serving, unused_port
from watcher.model import Event, Result
from watcher.notify import Notice, Notifier
from watcher.notify._apprise_worker import scrub
from watcher.notify.apprise import AppriseNotifier, fingerprint, validate

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
HOSTILE = "<script>alert(1)</script> <!channel> & *bold*\nsecond line"


def notice(title: str = "Title", body: str = "Body", reached: tuple[str, ...] = ()) -> Notice:
    event = Event("e1", "conversation.unread", "sales", "c1", AT, {})
    return Notice(event, title, body, AT, reached=reached)


def notifier(*urls: str, workers: int = 2, deadline: float = 20.0) -> AppriseNotifier:
    return AppriseNotifier(lambda: urls, "team", anyio.CapacityLimiter(workers), deadline=deadline)


def json_url(served: Served, path: str = "") -> str:
    return served.url.replace("http:", "json:") + path


async def hang(_served: Served, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


class Mailbox:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        self.mails.append(parsed)
        return "250 taken"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=asyncio.run(unused_port()))
    controller.start()
    url = f"mailto://127.0.0.1:{controller.port}?from=watcher@example.com&to=team@example.com"
    try:
        yield box, url
    finally:
        controller.stop()


async def test_a_mail_arrives_as_plain_text_with_a_one_line_subject(
    mailbox: tuple[Mailbox, str],
) -> None:
    box, url = mailbox
    result = await notifier(url).send(notice("New\r\nBcc: everybody@example.com", HOSTILE))
    assert (result.outcome, result.note) == ("ok", "E-Mail: accepted")
    (mail,) = box.mails
    assert mail["Subject"] == "New Bcc: everybody@example.com"
    assert mail["Bcc"] is None
    assert "team@example.com" in mail["To"]
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == [
        "text/plain"
    ]
    body = mail.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").strip() == HOSTILE


async def test_slack_gets_what_it_documents_with_its_control_characters_escaped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with intercepting(monkeypatch, tmp_path, answer(b"ok"), "hooks.slack.com") as served:
        result = await notifier(SLACK).send(notice("New message", HOSTILE))
    assert (result.outcome, result.note) == ("ok", "Slack: accepted")
    head, _, body = served.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ ")
    posted = json.loads(body)
    text = json.dumps(posted["attachments"], ensure_ascii=False)
    assert "New message" in text
    assert "&lt;\u200bscript&gt;" in text
    assert "&lt;\u200b!channel&gt;" in text
    assert "<!channel>" not in text
    assert "second line" in text


async def test_what_slack_refuses_is_told_without_the_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = answer(b"invalid_token", status="403 Forbidden")
    async with intercepting(monkeypatch, tmp_path, said, "hooks.slack.com"):
        result = await notifier(SLACK).send(notice())
    assert result.outcome == "failed"
    assert result.note.startswith("Slack: ")
    assert "403" in result.note
    for part in ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ"):
        assert part not in result.note


async def test_a_failing_service_is_asked_once_whatever_its_url_says() -> None:
    async with serving(answer(b"", status="500 Oh")) as served:
        url = json_url(served, "/secret-path?retry=3&wait=0.1&optional=yes")
        result = await notifier(url).send(notice())
    assert result.outcome == "failed"
    assert result.note.startswith("JSON: ")
    assert "500" in result.note
    assert "secret-path" not in result.note
    assert len(served.requests) == 1


async def test_a_service_out_of_reach_gives_its_reason() -> None:
    result = await notifier(f"json://127.0.0.1:{await unused_port()}").send(notice())
    assert result.outcome == "failed"
    assert "Connection refused" in result.note


@pytest.mark.parametrize("url", ["slack://T1JJ3T3L2/not-one/x", "nothing://x", "sometoken"])
async def test_an_address_that_apprise_does_not_take_fails(url: str) -> None:
    result = await notifier(url).send(notice())
    assert result.outcome == "failed", "which is no message's fault"
    assert "not-one" not in result.note
    assert "sometoken" not in result.note


async def test_an_empty_body_is_no_failure() -> None:
    async with serving(answer()) as served:
        for title, body in (("Only a title", ""), ("", "Only a body"), ("", "")):
            assert (await notifier(json_url(served)).send(notice(title, body))).outcome == "ok"
    sent = [json.loads(request.partition(b"\r\n\r\n")[2])["message"] for request in served.requests]
    assert sent == ["Only a title", "Only a body", "conversation.unread"]


@pytest.mark.parametrize("script", [hang, drip])
async def test_what_hangs_is_cut_off_and_its_outcome_unknown(script: Any) -> None:
    async with serving(script) as served:
        await validate((json_url(served),))  # the worker has started
        began = time.monotonic()
        result = await notifier(json_url(served), deadline=2.0).send(notice())
        assert time.monotonic() - began < 5.0
    assert result.outcome == "unknown"
    assert "2 s" in result.note
    assert len(served.requests) == 1


async def test_who_finds_all_workers_hanging_has_not_been_sent() -> None:
    limiter = anyio.CapacityLimiter(1)
    results: dict[str, Result] = {}

    async with serving(drip) as bad, serving(answer()) as good:

        async def send(name: str, served: Served, deadline: float) -> None:
            each = AppriseNotifier(lambda: [json_url(served)], name, limiter, deadline=deadline)
            results[name] = await each.send(notice())

        async with anyio.create_task_group() as group:
            group.start_soon(send, "hangs", bad, 3.0)
            await anyio.lowlevel.checkpoint()
            group.start_soon(send, "waits", good, 0.5)
        assert results["waits"].outcome == "failed"
        assert "not tried" in results["waits"].note
        assert results["hangs"].outcome == "unknown"
        await send("after", good, 20.0)
    assert results["after"].outcome == "ok"
    assert len(good.requests) == 1


async def test_of_several_addresses_only_the_failed_ones_are_tried_again() -> None:
    async def mend(served: Served, writer: asyncio.StreamWriter) -> None:
        status = "500 Oh" if len(served.requests) == 1 else "200 OK"
        writer.write(answer(status=status))

    async with serving(answer()) as good, serving(mend) as bad:
        team = notifier(json_url(good), json_url(bad))
        first = await team.send(notice())
        assert first.outcome == "failed"
        assert first.note.startswith("1 of 2: 2. JSON: ")
        assert first.reached == (fingerprint(json_url(good)),)
        second = await team.send(notice(reached=first.reached))
        assert second.outcome == "ok"
        assert len(second.reached) == 2
        assert (len(good.requests), len(bad.requests)) == (1, 2)
        assert (await team.send(notice())).outcome == "ok"
        assert (len(good.requests), len(bad.requests)) == (2, 3)


def test_a_fingerprint_tells_nothing_of_the_address() -> None:
    assert re.fullmatch("[0-9a-f]{8}", fingerprint(SLACK))
    assert fingerprint(SLACK) != fingerprint(f"{SLACK}x")


async def test_addresses_are_told_good_or_bad_one_by_one_without_quoting_them() -> None:
    urls = (
        SLACK,
        "slack://T1JJ3T3L2/wrong-secret/x",
        "nothing://hidden",
        "tgram://12",
        "justatoken",
    )
    told = [verdict.problem for verdict in await validate(urls)]
    assert told[0] is None
    assert all(told[1:])
    words = " ".join(map(str, told))
    for secret in ("wrong-secret", "T1JJ3T3L2", "hidden", "justatoken"):
        assert secret not in words
    assert "Slack" in words
    assert await validate(()) == ()


async def test_an_address_that_cannot_be_read_is_a_failure() -> None:
    def urls() -> list[str]:
        raise PermissionError(13, "Permission denied")

    team = AppriseNotifier(urls, "team", anyio.CapacityLimiter(1))
    result = await team.send(notice())
    assert result == Result("failed", "the address cannot be read (Permission denied)")


def test_it_sends_the_text_and_names_itself_without_addresses() -> None:
    team: Notifier = notifier(SLACK)
    assert team.text
    assert repr(team) == "AppriseNotifier('team')"


@pytest.mark.parametrize(
    ("text", "url", "scrubbed"),
    [
        ("no TOKENaaaa here", "slack://TOKENaaaa/b", "no … here"),
        ("tokenAAAA in another case", "slack://TOKENaaaa/b", "… in another case"),
        ("p%40ssword and p@ssword", "mailto://u:p%40ssword@h", "… and …"),
        ("see https://a.example/x?y", "json://h", "see …"),
        ("header zzzz", "json://h/?+X-Auth=zzzz", "header …"),
        ("Token (abc) was refused, abc", "slack://abc/def", "Token (…) was refused, abc"),
        ("login as 'ab' failed for ab:xyz", "mailtos://ab:xyz@h", "login as '…' failed for …"),
        ("an email, no mail: 'mail'", "mailtos://mail:x@h", "an email, no …: '…'"),
        ("two\nlines\x1b[0m", "json://h", "two lines [0m"),
    ],
)
def test_no_part_of_an_address_is_told(text: str, url: str, scrubbed: str) -> None:
    assert scrub(text, url) == scrubbed


def test_a_mask_hides_no_word_of_ours_and_no_end_of_a_password() -> None:
    url = "mailto://user:hunter@ss@localhost?from=a@b.example&to=c@d.example"
    assert scrub("Invalid ~From~ email", url) == "Invalid ~From~ email"
    for text in ("login user:hunter@ss@localhost", "password hunter@ss refused"):
        assert "ss" not in scrub(text, url).replace("password", "").replace("passwd", ""), text


async def test_mails_of_one_conversation_stand_together(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    for source, conversation in (("sales", "c1"), ("sales", "c1"), ("sales", "c2"), ("desk", "c1")):
        event = Event("e", "conversation.unread", source, conversation, AT, {})
        await notifier(url).send(Notice(event, "Title", "Body", AT))
    await notifier(f"{url}&+References=<own@example.com>").send(notice())
    threads = [mail["References"] for mail in box.mails]
    assert threads[0] == threads[1]
    assert len(set(threads)) == 4
    assert threads[4] == "<own@example.com>"
    assert all(re.fullmatch(r"<[0-9a-f]+@example\.com>", thread) for thread in threads[:4])
    assert [mail["In-Reply-To"] for mail in box.mails[:4]] == threads[:4]
    assert len({mail["Message-ID"] for mail in box.mails}) == 5
