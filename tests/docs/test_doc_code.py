"""The code and the JSON in the documentation, run as they stand."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx  # noqa: TID251 - the fakes are asked as the transport asks them
import pytest

from tests.docs.examples import python, run
from tests.docs.pages import blocks, code, read, rows
from watcher.clock import wall_clock
from watcher.model import CONVERSATION, Event, from_plain
from watcher.notify import Notice
from watcher.notify.webhook import WebhookNotifier
from watcher.providers import Provider, Response, Sweep
from watcher.providers.chatwoot import Chatwoot
from watcher.providers.leadconnector import HighLevel
from watcher.providers.leadping import Leadping
from watcher.records import HttpReply
from watcher.simulator import Account, World, chatwoot, leadconnector, leadping

SECRET = "whsec_" + "bm90IGEgcmVhbCBzZWNyZXQ="
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_every_block_of_python_is_run_here() -> None:
    ours = [
        python("README.md", "class Hook"),
        python("webhooks.md", "def receive"),
        python("writing-a-provider.md", "class Acme(Provider):"),
        python("writing-a-provider.md", "class TestAcme("),  # tests/testing/test_provider_laws.py
        python("writing-a-provider.md", "World(clock"),
        python("writing-a-receiver.md", "class BuzzReceiver("),
        python("writing-a-receiver.md", "class TestBuzz("),  # tests/docs/test_plugin_pages.py
    ]
    assert {block.name for block in blocks("python")} == {block.name for block in ours}


# The event


def sample() -> dict[str, Any]:
    (block,) = (each for each in blocks("json") if each.page.name == "events.md")
    plain: dict[str, Any] = json.loads(block.text)
    return plain


def test_the_event_shown_is_what_the_program_writes() -> None:
    plain = sample()
    assert list(Event.from_body(json.dumps(plain)).to_plain().items()) == list(plain.items())
    conversation = plain["data"]["conversation"]
    assert CONVERSATION.adapter.dump_python(from_plain(conversation), mode="json") == conversation


def test_what_changed_in_it_is_what_it_shows() -> None:
    data = sample()["data"]
    assert set(data) == {"source", "provider", "conversation", "changes", "observed"}
    for field, sides in data["changes"].items():
        assert sides["after"] == data["conversation"][field]


# Verifying webhooks


async def sent(secret: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a webhook as it goes out now."""
    taken: list[tuple[dict[str, str], bytes]] = []

    async def post(_url: str, *, content: bytes, headers: Any, timeout: float) -> HttpReply:
        taken.append((dict(headers), content))
        return HttpReply(204, {}, b"")

    notifier = WebhookNotifier(
        url=lambda: "https://crm.example.com/hooks/inbox",
        secrets=lambda: [secret],
        headers=dict,
        timeout=10,
        post=post,
    )
    event = Event.from_body(json.dumps(sample()))
    await notifier.send(Notice(event, "", "", wall_clock()))  # what verifies reads the same clock
    return taken[0]


async def test_the_receiver_on_the_page_takes_what_is_signed_and_nothing_else() -> None:
    receive = run(python("webhooks.md", "def receive"), "doc_receiver").receive
    headers, body = await sent(SECRET)
    assert receive(headers, body, SECRET) == sample()
    assert receive(headers, body.replace(b"u2", b"u3"), SECRET) is None
    assert receive({**headers, "webhook-id": "another"}, body, SECRET) is None
    assert receive(headers, body, "whsec_" + "YW5vdGhlciBzZWNyZXQ=") is None


async def test_the_headers_on_the_page_are_those_that_go_out() -> None:
    headers, _ = await sent(SECRET)
    page = read("webhooks.md").partition("## Verifying")[0]
    told = [row for row in rows(page) if len(row) == 2]
    names = [name for row in told for name in code(row[0]) if re.fullmatch(r"[a-z-]+", name)]
    assert names == list(headers)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve the README's receiver on loopback; return its port."""
    monkeypatch.setenv("CRM_WEBHOOK_SECRET", SECRET)
    handler = run(python("README.md", "class Hook"), "doc_hook").Hook
    handler.log_message = lambda *_: None
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # it raises by design
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def answer(port: int, body: bytes, headers: dict[str, str]) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    except http.client.RemoteDisconnected:
        return None
    finally:
        connection.close()


async def test_the_readmes_receiver_answers_what_is_signed_and_nothing_else(
    hook: int, capsys: pytest.CaptureFixture[str]
) -> None:
    headers, body = await sent(SECRET)
    assert answer(hook, body, headers) == 204
    assert capsys.readouterr().out == "conversation.reassigned Maria Lopez\n"
    assert answer(hook, body.replace(b"u2", b"u3"), headers) is None


# Writing a provider


def test_the_simulated_world_on_the_page_does_what_it_says() -> None:
    world = run(python("writing-a-provider.md", "World(clock"), "doc_world").world
    assert world.truth.entries


# What is tracked


async def attributes(account: Account, app: Any, provider: Provider) -> set[str]:
    """Return the attributes that a provider reads from the rows of a simulated account."""
    position = provider.start(Sweep())
    request = provider.request(position)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://simulated"
    ) as client:
        answer = await client.request(
            request.method,
            request.path,
            params=request.params,
            json=request.json,
            headers={**dict(request.headers), **provider.authorization(account.token)},
        )
    page = provider.parse(position, Response(answer.status_code, answer.content, {}, NOW, NOW))
    assert page.rows
    paths = {path for row in page.rows for path in row.fields}
    return {path.partition(".")[2] for path in paths if path.startswith("attributes.")}


async def test_the_attributes_on_the_page_are_those_that_are_read() -> None:
    world = World(lambda: NOW, seed=1)
    accounts = {
        kind: world.open_account(kind, "3", conversations=30)
        for kind in ("highlevel", "leadping", "chatwoot")
    }
    settings: dict[str, Any] = {"token": "none"}
    read_by = {
        "HighLevel, Leadway": await attributes(
            accounts["highlevel"],
            leadconnector.app(world),
            HighLevel(HighLevel.settings_model(location_id="3", **settings)),
        ),
        "Leadping": await attributes(
            accounts["leadping"],
            leadping.app(world),
            Leadping(Leadping.settings_model(**settings)),
        ),
        "Chatwoot": await attributes(
            accounts["chatwoot"],
            chatwoot.app(world),
            Chatwoot(Chatwoot.settings_model(account_id=3, **settings)),
        ),
    }
    page = read("events.md").partition("## What is tracked")[2]
    told = {row[0]: set(code(row[1])) for row in rows(page) if row[0] in read_by}
    for name, seen in read_by.items():
        # The simulated Chatwoot is the community edition, which has no SLA.
        assert told[name] == seen | ({"sla_status"} if name == "Chatwoot" else set())
