"""`network.deny`: no connection is made to a denied address, however it is written and whoever makes it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.asking import Clock, ask, connection
from tests.support.loopback import Served, answer, proxying, serving
from watcher.addresses import AddressFilter, is_link_local
from watcher.errors import SourceRefused
from watcher.records import HttpReply
from watcher.settings.link import Link
from watcher.transport import Transport

LOOPBACK = AddressFilter(("loopback",))
FORMS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "127.9.8.7",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0",  # noqa: S104 - nothing listens there
)  # fmt: skip


async def post(url: str, addresses: AddressFilter, link: Link | None = None) -> HttpReply:
    async with Transport(Clock(), addresses=addresses) as transport:
        send = transport.webhook(link or Link(proxy=lambda: ""))
        return await send(url, content=b"{}", headers={}, timeout=5.0)


@pytest.mark.parametrize(
    ("address", "by"),
    [
        ("127.0.0.1", "loopback"), ("127.255.0.1", "loopback"), ("::1", "loopback"),
        ("0.0.0.0", "loopback"), ("::", "loopback"), ("::ffff:127.0.0.1", "loopback"),  # noqa: S104 - nothing listens there
        ("::127.0.0.1", "loopback"), ("64:ff9b::7f00:1", "loopback"), ("2002:7f00:1::", "loopback"),
        ("169.254.169.254", "link-local"), ("fe80::1%eth0", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("10.0.0.1", "private"), ("172.16.0.1", "private"), ("172.31.255.255", "private"),
        ("192.168.1.1", "private"), ("100.64.0.1", "private"), ("fd00::1", "private"),
        ("::ffff:10.0.0.1", "private"), ("2002:a00:1::", "private"),
        ("172.32.0.1", ""), ("11.0.0.1", ""), ("169.253.0.1", ""), ("8.8.8.8", ""),
        ("2606:4700::1111", ""), ("::ffff:8.8.8.8", ""), ("64:ff9b::808:808", ""),
        ("203.0.113.7", "203.0.113.0/24"),
    ],
)  # fmt: skip
def test_an_address_is_judged_by_what_it_leads_to(address: str, by: str) -> None:
    every = AddressFilter(("private", "link-local", "loopback", "203.0.113.0/24"))
    assert every.refusal(address) == by
    assert AddressFilter().refusal(address) == ""


def test_what_is_allowed_is_no_longer_denied() -> None:
    some = AddressFilter(("private", "loopback"), ("10.1.0.0/16", "::1/128"))
    assert [some.refusal(one) for one in ("10.1.2.3", "::ffff:10.1.2.3", "::1")] == ["", "", ""]
    assert [some.refusal(one) for one in ("10.2.0.1", "127.0.0.1")] == ["private", "loopback"]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("169.254.169.254", True), ("2852039166", True), ("0xa9fea9fe", True), ("[fe80::1]", True),
        ("0251.0376.0251.0376", True), ("[::ffff:169.254.169.254]", True), ("169.254.43518", True),
        ("169.253.1.1", False), ("example.com", False), ("1.2.3.4.5", False), ("300.1", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_link_local_address_is_known_in_every_form(host: str, local: bool) -> None:
    assert is_link_local(host) is local


@pytest.mark.parametrize("host", FORMS)
async def test_a_webhook_does_not_connect(host: str) -> None:
    async with serving(answer()) as served:
        got = await post(f"http://{host}:{served.port}/h", LOOPBACK)
    assert got.status == 0
    assert got.error.startswith("`network.deny` forbids connections to ")
    assert got.error.endswith(": loopback")
    assert served.connections == 0


async def test_a_webhook_that_is_allowed_connects() -> None:
    async with serving(answer()) as served:
        url = f"http://localhost:{served.port}/h"
        assert (await post(url, AddressFilter(("private", "link-local")))).status == 200
        assert (await post(url, AddressFilter(("loopback",), ("127.0.0.1/32",)))).status == 200
        assert (await post(url, AddressFilter())).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost"])
async def test_a_source_does_not_connect_and_says_what_to_do(host: str) -> None:
    async with serving(answer()) as served:
        with pytest.raises(SourceRefused, match=r"`network.deny` forbids") as caught:
            await ask(connection(f"http://{host}:{served.port}"), addresses=LOOPBACK)
    assert "network: {allow: […]}" in caught.value.remedy
    assert served.connections == 0


async def test_a_denied_proxy_is_not_connected_to() -> None:
    async with serving(answer()) as proxy:
        link = Link(proxy=lambda: proxy.url)
        got = await post("http://198.51.100.7/h", LOOPBACK, link)
    assert "forbids connections to 127.0.0.1: loopback" in got.error
    assert proxy.connections == 0


async def test_what_a_proxy_would_resolve_is_judged_here() -> None:
    """The proxy may be reached, but does not carry anybody to what is denied."""
    denied = AddressFilter(("127.9.0.0/16", "link-local"))
    async with serving(answer()) as proxy:
        link = Link(proxy=lambda: proxy.url)
        for host in ("127.9.8.7", "0x7f090807", "169.254.169.254", "[::ffff:169.254.169.254]"):
            got = await post(f"http://{host}/h", denied, link)
            assert got.error.startswith("`network.deny` forbids connections"), host
        assert proxy.connections == 0
        # A name that this machine cannot resolve is the proxy's to judge.
        assert (await post("http://only.the.proxy.invalid/h", denied, link)).status == 200


async def test_a_tunnel_is_judged_too() -> None:
    async with serving(answer()) as served, proxying(lambda: served.port) as proxy:
        link = Link(proxy=lambda: proxy.url)
        got = await post("https://169.254.169.254/h", AddressFilter(("link-local",)), link)
    assert "169.254.169.254: link-local" in got.error
    assert proxy.connections == 0


async def test_a_connection_that_is_kept_alive_ends_with_its_permission() -> None:
    async with serving(answer()) as served, Transport(Clock()) as transport:
        send = transport.webhook(Link(proxy=lambda: ""))
        what: Any = {"content": b"{}", "headers": {}, "timeout": 5.0}
        assert (await send(served.url, **what)).status == 200
        transport.addresses = LOOPBACK
        assert (await send(served.url, **what)).status == 0
        transport.addresses = AddressFilter()
        assert (await send(served.url, **what)).status == 200
    assert len(served.requests) == 2


class Rebinding:
    """A resolver that answers something else each time, as a hostile name server does."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers: Iterator[list[str]] = iter(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int, **_options: Any) -> list[Any]:
        if host not in ("rebound.example", b"rebound.example"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked += 1
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in next(self._answers)
        ]


async def test_what_is_judged_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is harmless when it is judged and denied a moment later is not looked up twice."""
    async with serving(answer()) as served:
        resolver = Rebinding(["127.0.0.1"], ["127.9.9.9"], ["127.9.9.9", "127.0.0.1"])
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver)
        denied = AddressFilter(("127.9.0.0/16",))
        url = f"http://rebound.example:{served.port}/h"
        assert (await post(url, denied)).status == 200
        assert resolver.asked == 1
        refused = await post(url, denied)
        assert "rebound.example (127.9.9.9): 127.9.0.0/16" in refused.error
        assert (await post(url, denied)).status == 200  # of several, a permitted one is taken
    assert [request.split(b"\r\n")[1] for request in served.requests] == [
        b"Host: rebound.example:%d" % served.port
    ] * 2


async def test_a_redirect_leads_nowhere() -> None:
    async with serving(answer()) as inside:
        moved = answer(b"", f"Location: {inside.url}", status="307 Temporary Redirect")
        async with serving(moved) as served:
            got = await post(served.url, AddressFilter(("link-local",)))
    assert got.status == 307
    assert not _seen(inside)


def _seen(served: Served) -> int:
    return served.connections
