"""One pool for each origin: which are kept and closed, what stands in for one, and proxies."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import httpx  # noqa: TID251 - the pools are looked at from httpx's side
import pytest

from tests.support.asking import LISTING, ask, connection
from tests.support.loopback import answer, serving, unused_port
from tests.support.virtual_time import JumpLoop, VirtualClock
from watcher.errors import SourceUnavailable
from watcher.settings.link import CONNECTIONS
from watcher.transport import PerOriginTransport, Transport
from watcher.transport.client import new_client
from watcher.transport.failures import place
from watcher.transport.origins import proxy_for

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


async def test_origins_do_not_share_connections() -> None:
    async with serving(answer(b"a")) as one, serving(answer(b"b")) as other:
        transport = PerOriginTransport()
        async with new_client(transport) as client:
            for _ in range(2):
                assert (await client.get(one.url)).content == b"a"
                assert (await client.get(other.url)).content == b"b"
            assert transport.origins == (
                ("http", "127.0.0.1", one.port), ("http", "127.0.0.1", other.port)
            )  # fmt: skip
    assert (one.connections, other.connections) == (1, 1)


async def test_an_origin_gets_only_a_few_connections() -> None:
    async def slow(_served: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(answer())

    async with serving(slow) as served, new_client(PerOriginTransport()) as client:
        await asyncio.gather(*(client.get(served.url) for _ in range(30)))
    assert served.connections <= CONNECTIONS
    assert len(served.requests) == 30


def test_an_origin_that_nobody_uses_is_closed_after_some_minutes() -> None:
    async def scene() -> None:
        transport = PerOriginTransport(
            mount={"http://a.example": App("a"), "http://b.example": App("b")}
        )
        async with new_client(transport) as client:
            await client.get("http://a.example/")
            async with client.stream("GET", "http://b.example/"):
                await anyio.sleep(600)
                await client.get("http://a.example/")
                assert len(transport.origins) == 2, "an answer of b is still being read"
            await anyio.sleep(299)
            await client.get("http://a.example/")
            assert len(transport.origins) == 2
            await anyio.sleep(100)
            await client.get("http://a.example/")
            assert transport.origins == (("http", "a.example", 80),)

    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        runner.run(scene())


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
                await transport.send(connection("http://a.example"), LISTING, urgent=True)
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
