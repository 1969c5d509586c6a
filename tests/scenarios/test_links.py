"""Links in messages: the whole daemon makes them, its web server answers them, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import httpx  # noqa: TID251 - reads what the server answers
import pytest

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from watcher.daemon import Daemon
from watcher.links import read_token
from watcher.records import Actor, DeliveryQuery
from watcher.web import create_app, guarded, link_routes

PUBLIC = "https://watcher.example.com"
RULES = "- {name: R, when: conversation.waiting, notify: crm, for: 15m, repeat: 15m}\n"
RULES += "- {name: M, when: conversation.message, notify: crm}"
SAME = {"sec-fetch-site": "same-origin"}


class Browser:
    """Asks the daemon's web server as a browser does that comes through the proxy."""

    def __init__(self, harness: Harness, daemon: Daemon) -> None:
        assert daemon.config.server is not None
        server = daemon.config.server
        pages = link_routes(daemon, harness.clock, lambda: ZoneInfo("UTC"))
        app = create_app(daemon.freshness, daemon.scrape.text, pages=pages)
        known = guarded(app, server.listen, server.names)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(known), base_url=PUBLIC)

    async def get(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        return await self.client.request(method, url, headers=headers)

    async def press(
        self, url: str, form: Mapping[str, str] | None = None, headers: Any = SAME
    ) -> httpx.Response:
        return await self.client.post(url, data=dict(form or {}), headers=headers)


@pytest.fixture
def linked(harness: Harness) -> Harness:
    """Return a harness whose messages have links."""
    harness.general = ""
    harness.rules = RULES
    plain = harness.configure

    def configure() -> str:
        return plain().replace("server: false", f"server: {{public_url: '{PUBLIC}'}}")

    harness.configure = configure  # type: ignore[method-assign]
    return harness


async def message(harness: Harness) -> tuple[Any, dict[str, str]]:
    """Have a customer write; return the conversation and the links of the message about it."""
    conversation = harness.conversation  # type: ignore[attr-defined]
    harness.world.message(conversation, "a secret word")
    await anyio.sleep(45)
    (body,) = [one for one in harness.inbox.bodies if one["type"] == "conversation.message"]
    return conversation, body["data"]["links"]


async def actions(harness: Harness) -> list[tuple[str, Actor]]:
    return [(one.action.what, one.action.by) for one in await harness.store.actions()]


async def begin(harness: Harness) -> None:
    _account, found = quiet(harness)
    harness.conversation = found[0]  # type: ignore[attr-defined]


async def test_a_person_takes_a_conversation_and_reminders_stop(linked: Harness) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        conversation, links = await message(linked)
        browser = Browser(linked, daemon)
        shown = await browser.get(links["ack"])
        assert shown.status_code == 200
        assert conversation.state.contact.name in shown.text
        assert "I have it" in shown.text
        assert "The customer waits for an answer since" in shown.text
        assert "a secret word" not in shown.text
        pressed = await browser.press(links["ack"], {"who": "Ana"})
        assert pressed.status_code == 303
        assert "who=Ana" in pressed.headers["set-cookie"]
        again = await browser.get(links["ack"] + pressed.headers["location"])
        assert "Ana has it since" in again.text
        assert "<button" not in again.text
        # Twice, and by somebody else: nothing more happens, and the second one is told.
        for who in ("Ana", "Bo"):
            assert (await browser.press(links["ack"], {"who": who})).status_code == 303
        assert "Ana has it since" in (await browser.get(links["ack"])).text
        await anyio.sleep(3600)
    assert await actions(linked) == [("acknowledge", Actor("Ana", "link"))]
    assert [body["type"] for body in linked.inbox.bodies].count("conversation.waiting") == 0
    (timer,) = await linked.store.deliveries(DeliveryQuery(rule="R"))
    assert timer.note.startswith("acknowledged by Ana at")


async def test_a_person_silences_one_conversation(linked: Harness) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        conversation, links = await message(linked)
        browser = Browser(linked, daemon)
        assert "Silence this conversation" in (await browser.get(links["silence"])).text
        for _ in range(2):
            pressed = await browser.press(links["silence"], {"who": "Bo", "span": "4h"})
            assert pressed.status_code == 303
        assert "Silenced by Bo until 2026-11-20 14:" in (await browser.get(links["silence"])).text
        (silence,) = await linked.store.silences()
        assert silence.match == f'source == "sales" && conversation.id == "{conversation.id}"'
        before = len(linked.inbox.bodies)
        other = list(conversation.account.conversations.values())[1]
        linked.world.message(conversation, "not told")
        linked.world.message(other, "told")
        await anyio.sleep(60)
        assert [body["subject"] for body in linked.inbox.bodies[before:]] == [other.id]
    assert await actions(linked) == [("silence", Actor("Bo", "link"))]


async def test_what_only_looks_changes_nothing(linked: Harness) -> None:
    """Scanners of links open every one of them, again and again."""
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        _, links = await message(linked)
        browser = Browser(linked, daemon)
        for address in links.values():
            for method in ("GET", "HEAD"):
                for headers in ({}, {"sec-purpose": "prefetch"}, {"sec-fetch-site": "cross-site"}):
                    assert (await browser.get(address, method, **headers)).status_code == 200
            for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
                assert (await browser.get(address, method)).status_code == 405
        for action in ("why", "open"):
            assert (await browser.press(links[action])).status_code == 405
        # A page elsewhere has a browser send the form.
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            assert (await browser.press(links["ack"], headers=headers)).status_code == 403
        assert (await browser.press(links["ack"], {"who": "x" * 9000})).status_code == 413
        assert (await browser.get(links["ack"], host="evil.example")).status_code == 400
    assert await actions(linked) == []
    assert list(await linked.store.silences()) == []
    assert list(await linked.store.acknowledgements()) == []


async def test_a_link_is_good_for_what_it_is_for_and_ends(linked: Harness) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        _, links = await message(linked)
        browser = Browser(linked, daemon)
        token = links["silence"].rpartition("/")[2]
        scope = read_token(token, daemon.link_keys(), linked.clock())
        assert (scope.action, scope.receiver, scope.rule) == ("silence", "crm", "M")
        altered = links["ack"][:-3] + "AAA"
        for address in (altered, f"{PUBLIC}/do/x", f"{PUBLIC}/do/{token}.{token}"):
            assert (await browser.get(address)).status_code == 403
            assert (await browser.press(address)).status_code == 403
        await anyio.sleep(24 * 3600)
        ended = await browser.get(links["silence"])
        assert ended.status_code == 403
        assert "This link was good until 2026-11-21 10:00" in ended.text
        assert (await browser.press(links["silence"])).status_code == 403
        assert (await browser.get(links["ack"])).status_code == 200
    assert await actions(linked) == []


async def test_keys_are_renewed_and_revoked(linked: Harness) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        _, links = await message(linked)
        browser = Browser(linked, daemon)
        assert await daemon.renew_links(keep=True, by=Actor("Ana"))
        assert (await browser.get(links["open"])).status_code == 200
        assert await daemon.renew_links(keep=True)
        assert (await browser.get(links["open"])).status_code == 403
        keys = daemon.link_keys()
        assert len(keys) == 2
        assert await daemon.renew_links(keep=False)
        assert len(daemon.link_keys()) == 1
        assert daemon.link_keys()[0] not in keys
    done = [one.action.what for one in await linked.store.actions()]
    assert done == ["revoke links", "renew links", "renew links"]


async def test_pages_that_show_say_what_they_know_and_run_nothing(linked: Harness) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        linked.world.rename_contact(linked.conversation, "<script>alert(1)</script>")  # type: ignore[attr-defined]
        _, links = await message(linked)
        browser = Browser(linked, daemon)
        why = await browser.get(links["why"])
        assert "crm was told of conversation.message by the rule “M”." in why.text
        assert "when` matches" in why.text
        stands = await browser.get(links["open"])
        assert "Open it in the inbox" in stands.text
        for page in (why, stands, await browser.get(links["ack"])):
            assert "<script" not in page.text
            assert "style=" not in page.text
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "no-referrer"
        style = stands.text.partition('href="')[2].partition('"')[0]
        found = await browser.get(f"{PUBLIC}/do/{style}")
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/css")


async def test_what_a_receiver_may_not_see_its_links_do_not_show(linked: Harness) -> None:
    await begin(linked)
    boss = linked.hear("boss", "    redact: [contact.name, assignee]\n")
    away = linked.hear("away", "    links: false\n")
    linked.rules = "- {name: M, when: conversation.message, notify: [boss, away]}"
    async with linked.running() as daemon:
        await linked.baseline()
        linked.world.message(linked.conversation, "hello")  # type: ignore[attr-defined]
        await anyio.sleep(45)
        name = linked.conversation.state.contact.name  # type: ignore[attr-defined]
        browser = Browser(linked, daemon)
        (body,) = boss.bodies
        for address in body["data"]["links"].values():
            page = await browser.get(address)
            assert page.status_code == 200
            assert name not in page.text
            assert "Assigned" not in page.text or "nobody" in page.text
        assert "links" not in away.bodies[0]["data"]


async def test_no_key_and_no_token_is_logged(linked: Harness, capfd: Any) -> None:
    await begin(linked)
    async with linked.running() as daemon:
        await linked.baseline()
        _, links = await message(linked)
        browser = Browser(linked, daemon)
        await browser.press(links["ack"], {"who": "Ana"})
        await browser.get(links["ack"][:-2] + "AA")
        keys = daemon.link_keys()
    said = "".join(capfd.readouterr())
    assert said
    assert all(address.rpartition("/")[2] not in said for address in links.values())
    assert all(key.hex() not in said and repr(key) not in said for key in keys)


async def test_every_attempt_carries_the_same_body(linked: Harness) -> None:
    await begin(linked)
    linked.inbox.status = 500
    async with linked.running():
        await linked.baseline()
        linked.world.message(linked.conversation, "hello")  # type: ignore[attr-defined]
        await anyio.sleep(60)
        linked.inbox.status = 200
        await anyio.sleep(900)
        (body,) = [one for one in linked.inbox.raw if b"conversation.message" in one]
        stored = await linked.store.deliveries(DeliveryQuery(rule="M"))
        assert stored[0].attempt > 1
    sent = json.loads(body)
    assert {**sent["data"], "links": None} == {**stored[0].event.to_plain()["data"], "links": None}


async def test_without_an_address_there_are_no_links(harness: Harness) -> None:
    harness.rules = RULES
    await begin(harness)
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(harness.conversation, "hello")  # type: ignore[attr-defined]
        await anyio.sleep(45)
        assert daemon.link_keys() == ()
    assert harness.inbox.bodies
    assert all("links" not in body["data"] for body in harness.inbox.bodies)
