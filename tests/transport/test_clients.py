"""HTTP clients: who shares connections, what stands in for a server, and proxies."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx  # noqa: TID251 - addresses are given as httpx has them
import pytest

from tests.support.asking import LISTING, Clock, ask, connection
from tests.support.loopback import Served, answer, serving, unused_port
from tests.support.virtual_time import JumpLoop, VirtualClock
from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.daemon import Daemon
from watcher.daemon.sample import sample
from watcher.errors import SourceUnavailable
from watcher.notify import Notice
from watcher.settings.link import USUAL, Link
from watcher.store.memory import MemoryStore
from watcher.transport import Transport
from watcher.transport.clients import Clients
from watcher.transport.failures import place
from watcher.transport.links import proxy_for

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


class App:
    """An ASGI application that says its name, or raises."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self._name = name
        self._error = error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._error is not None:
            raise self._error
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self._name.encode()})


async def test_sources_of_one_host_share_connections() -> None:
    async with serving(answer(b"a")) as served, Transport(Clock()) as transport:
        for source in [transport.source(connection(served.url + path)) for path in ("", "/api")]:
            for _ in range(2):
                assert (await source.send(LISTING, urgent=True)).body == b"a"
    assert (served.connections, len(served.requests)) == (1, 4)


async def test_no_more_requests_reach_the_pool_than_it_has_connections() -> None:
    """Its own queue is walked at each request and answer: two thousand in it stop the loop."""
    inside, most, done = 0, 0, 0
    clients = Clients()
    client = clients.open(dataclasses.replace(USUAL, connections=2))

    async def use() -> None:
        nonlocal inside, most, done
        async with client.using(httpx.URL("http://127.0.0.1:9/")):
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1
            done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(use)
    await client.aclose()
    assert (most, done) == (2, 20)


async def test_a_source_with_a_link_of_its_own_shares_nothing() -> None:
    async with serving(answer(b"a")) as served, Transport(Clock()) as transport:
        links = Link(), Link(), USUAL
        for link in links:
            asked = dataclasses.replace(connection(served.url), link=link)
            assert (await transport.source(asked).send(LISTING, urgent=True)).body == b"a"
    assert (served.connections, len(served.requests)) == (3, 3)


async def test_many_accounts_of_one_host_are_a_few_connections() -> None:
    async def slow(_served: Served, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.005)
        writer.write(answer())

    async with serving(slow) as served, Transport(Clock()) as transport:
        sources = [transport.source(connection(served.url)) for _ in range(50)]
        answers = await asyncio.gather(*(one.send(LISTING, urgent=True) for one in sources))
        assert {got.status for got in answers} == {200}
    assert served.connections <= USUAL.connections
    assert len(served.requests) == 50


async def test_a_receiver_gets_no_more_connections_than_its_link_allows() -> None:
    async def slow(_served: Served, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(answer())

    async with serving(slow) as served, Transport(Clock()) as transport:
        post = transport.webhook(Link(connections=3))
        posts = (post(served.url, content=b"", headers={}, timeout=30.0) for _ in range(30))
        assert {got.status for got in await asyncio.gather(*posts)} == {200}
        assert served.open <= 3
    assert served.connections <= 3
    assert len(served.requests) == 30


async def test_an_idle_connection_that_the_server_has_closed_is_replaced() -> None:
    async def once(_served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(answer())
        await writer.drain()
        writer.close()

    async with serving(once) as served, Transport(Clock()) as transport:
        source = transport.source(connection(served.url))
        post = transport.webhook()
        for _ in range(3):
            assert (await source.send(LISTING, urgent=True)).status == 200
            assert (await post(served.url, content=b"", headers={}, timeout=5.0)).status == 200
            await served.wait(lambda: not served.open)
    assert (served.connections, len(served.requests)) == (6, 6)


async def test_a_client_that_is_closed_leaves_no_connection_and_the_others_theirs() -> None:
    async with serving(answer()) as served:
        async with Transport(Clock()) as transport:
            sources = [transport.source(connection(served.url)) for _ in range(2)]
            post = transport.webhook()
            for source in sources:
                await source.send(LISTING, urgent=True)
            await post(served.url, content=b"", headers={}, timeout=5.0)
            assert served.open == 2
            await sources[0].aclose()
            await sources[1].send(LISTING, urgent=True)
            await post.aclose()
            await served.wait(lambda: served.open == 1)
            await sources[1].send(LISTING, urgent=True)
            assert served.connections == 2
            await sources[1].aclose()
            await served.wait(lambda: not served.open)
            again = transport.source(connection(served.url))  # the host is watched again
            await again.send(LISTING, urgent=True)
            assert served.open == 1
        await served.wait(lambda: not served.open)


async def test_a_receiver_that_moves_leaves_no_connection_behind() -> None:
    """Also one that is in use while the address changes."""
    answers = asyncio.Event()

    async def slow(_served: Served, writer: asyncio.StreamWriter) -> None:
        await answers.wait()
        writer.write(answer(b"late"))

    async with serving(slow) as former, serving(answer()) as present:
        async with Transport(Clock()) as transport:
            post = transport.webhook()
            late = asyncio.create_task(post(former.url, content=b"", headers={}, timeout=20.0))
            await former.wait(lambda: former.requests)
            assert (await post(present.url, content=b"", headers={}, timeout=5.0)).status == 200
            answers.set()
            assert (await late).body == b"late"
            await former.wait(lambda: not former.open)
            assert present.open == 1
        await present.wait(lambda: not present.open)


async def test_what_is_configured_no_longer_keeps_no_connection(tmp_path: Path) -> None:
    """Neither after a reload that removes it, nor after the end."""
    async with serving(answer(b"{}")) as served, Transport(wall_clock) as transport:
        file = tmp_path / "watcher.yaml"
        file.write_text(
            "sources:\n"
            f"  one: {{provider: chatwoot, base_url: '{served.url}', account_id: 1, token: none}}\n"
            f"  two: {{provider: chatwoot, base_url: '{served.url}', account_id: 2, token: none}}\n"
            "receivers:\n"
            f"  crm: {{type: webhook, url: '{served.url}'}}\n"
        )
        daemon = Daemon(load([file], environ={}), store=MemoryStore(), transport=transport)
        for poller in daemon.pollers.values():
            await poller.plan.send(LISTING, urgent=True)
        notice = Notice(sample("one", "chatwoot", wall_clock(), "x"), "", "", wall_clock())
        await daemon.dispatchers["crm"].plan.notifier.send(notice)
        assert served.open == 2
        await daemon.remove_source("one")
        await daemon.pollers["two"].plan.send(LISTING, urgent=True)
        await daemon.remove_receiver("crm")
        await served.wait(lambda: served.open == 1)
        await daemon.remove_source("two")
        await served.wait(lambda: not served.open)
        await daemon.close()
        await served.wait(lambda: not served.open)


async def test_a_mounted_application_stands_in_for_an_origin() -> None:
    mount = {"https://chat.example.com": App("chat")}
    response = await ask("https://chat.example.com/api", mount=mount)
    assert response.body == b"chat"


@pytest.mark.parametrize(
    ("error", "words", "connect"),
    [
        (ConnectionRefusedError(), "chat.example.com:80 refuses connections", True),
        (ConnectionResetError(), "the connection to chat.example.com:80 was lost", False),
    ],
)
async def test_a_mounted_application_can_be_out_of_reach(
    error: OSError, words: str, connect: bool
) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        await ask("http://chat.example.com", mount={"http://chat.example.com": App("", error)})
    assert caught.value.reason == words
    assert caught.value.connect is connect


def test_a_provider_that_hangs_is_given_up_after_a_minute() -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep_forever()

    async def scene() -> None:
        async with Transport(VirtualClock(), mount={"http://a.example": hang}) as transport:
            with pytest.raises(SourceUnavailable, match="in time"):
                await transport.source(connection("http://a.example")).send(LISTING, urgent=True)
        assert anyio.current_time() == pytest.approx(60.0)

    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        runner.run(scene())


@pytest.mark.parametrize(
    ("environment", "origin", "proxy"),
    [
        ({}, ("http", "a.example", 80), None),
        ({"HTTP_PROXY": "http://p:3128"}, ("http", "a.example", 80), "http://p:3128"),
        ({"http_proxy": "p:3128"}, ("http", "a.example", 80), "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, ("https", "a.example", 443), None),
        ({"HTTPS_PROXY": "http://p:3128"}, ("https", "a.example", 443), "http://p:3128"),
        ({"ALL_PROXY": "http://p:1"}, ("https", "a.example", 443), "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, ("http", "localhost", 80), None),
        ({"ALL_PROXY": "http://p:1"}, ("http", "127.8.8.8", 80), None),
        ({"ALL_PROXY": "http://p:1"}, ("http", "::1", 80), None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, ("http", "a.example", 80), None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "example"}, ("http", "a.example", 80), None),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "b.example"}, ("http", "a.example", 80), "http://p:1"),
    ],
)  # fmt: skip
def test_the_environment_says_which_proxy(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    origin: tuple[str, str, int],
    proxy: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(origin) == proxy


async def test_requests_go_through_the_proxy_and_name_it_when_it_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(answer(b"via")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{proxy.port}")
        assert (await ask("http://chat.example.com/api")).body == b"via"
    assert proxy.requests[0].startswith(b"GET http://chat.example.com/api/list?cursor=")
    port = await unused_port()
    monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{port}")
    with pytest.raises(SourceUnavailable) as caught:
        await ask("http://chat.example.com/api")
    assert caught.value.connect
    assert caught.value.reason == (
        f"chat.example.com:80 (through the proxy 127.0.0.1:{port}) refuses connections"
    )


async def test_a_proxy_that_refuses_to_connect_is_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(answer(b"", status="407 Who are you")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(SourceUnavailable, match="the proxy does not connect") as caught:
            await ask("https://chat.example.com")
    assert caught.value.connect


async def test_a_proxy_that_cannot_be_used_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://user:word@p:70")
    with pytest.raises(SourceUnavailable, match="the proxy") as caught:
        await ask("http://chat.example.com")
    assert "word" not in str(caught.value)


def test_a_place_is_host_and_port_alone() -> None:
    assert place(httpx.URL("https://user:word@a.example/path?q=1")) == "a.example:443"
    assert place(httpx.URL("http://[2001:db8::1]:8080/")) == "[2001:db8::1]:8080"
