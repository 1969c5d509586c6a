"""How addresses are reached: authorities, client certificates, proxies, and links that share nothing.

Everything is asked through the real transport, of real servers on loopback.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.asking import Clock, ask, connection
from tests.support.loopback import Served, answer, proxying, serving, unused_port
from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.daemon.plans import plan_receivers
from watcher.daemon.sample import sample
from watcher.errors import SourceRefused, WatcherError
from watcher.notify import Notice
from watcher.records import HttpReply
from watcher.settings.link import Link
from watcher.transport import Transport, WebhookClient

HOST = "hooks.example.com"


class Issuer:
    """An authority, with its files."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.authority = trustme.CA()
        self.file = folder / f"{name}.pem"
        self.authority.cert_pem.write_to_path(str(self.file))

    def server(self, *, asks: bool = False) -> ssl.SSLContext:
        """Make a server's context; with `asks` only who has a certificate of ours may come."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", HOST).configure_cert(context)
        if asks:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def post(url: str, link: Link, **settings: Any) -> HttpReply:
    async with Transport(Clock()) as transport:
        send = transport.webhook(link, settings.pop("connect_timeout", 10.0))
        return await send(
            url.replace("http:", "https:") if settings.pop("tls", True) else url,
            content=b"{}",
            headers={},
            **{"timeout": 5.0, **settings},
        )


# --- authorities


async def test_a_private_authority_is_trusted_where_it_is_named_and_no_other(
    issuer: Issuer, tmp_path: Path
) -> None:
    other = Issuer(tmp_path, "other")
    async with serving(answer(), tls=issuer.server()) as served:
        assert (await post(served.url, Link(ca_file=issuer.file))).status == 200
        for link in (Link(), Link(ca_file=other.file)):
            refused = await post(served.url, link)
            assert refused.status == 0
            assert "certificate" in refused.error
    assert len(served.requests) == 1


async def test_a_source_is_reached_the_same_way(issuer: Issuer) -> None:
    async with serving(answer(), tls=issuer.server()) as served:
        to = connection(served.url.replace("http:", "https:"))
        assert (await ask(replace(to, link=Link(ca_file=issuer.file)))).status == 200
        assert (await ask(replace(to, link=Link(verify=False)))).status == 200


async def test_without_verification_any_certificate_is_taken(issuer: Issuer) -> None:
    async with serving(answer(), tls=issuer.server()) as served:
        assert (await post(served.url, Link(verify=False))).status == 200


async def test_a_renewed_authority_counts_at_the_next_request(
    issuer: Issuer, tmp_path: Path
) -> None:
    renewed = Issuer(tmp_path, "renewed")
    link = Link(ca_file=issuer.file)
    async with serving(answer(), tls=renewed.server()) as served, Transport(Clock()) as transport:
        url = served.url.replace("http:", "https:")
        send = transport.webhook(link)
        for status in (0, 200):
            got = await send(url, content=b"", headers={}, timeout=5.0)
            assert got.status == status
            issuer.file.write_bytes(renewed.file.read_bytes())


async def test_a_file_that_vanished_is_said_and_nothing_is_sent(issuer: Issuer) -> None:
    async with serving(answer(), tls=issuer.server()) as served:
        gone = Link(ca_file=issuer.file.with_name("gone.pem"))
        got = await post(served.url, gone)
        assert got.error == f"the file {gone.ca_file} cannot be read: No such file or directory"
        with pytest.raises(SourceRefused, match="cannot be read"):
            await ask(replace(connection(served.url), link=gone))
        issuer.file.write_text("no certificate")
        assert "not a PEM file" in (await post(served.url, Link(ca_file=issuer.file))).error
    assert not served.requests


# --- who we are


def identity(issuer: Issuer, folder: Path, password: str) -> Link:
    """Make a client certificate, with its key apart and under a password where there is one."""
    ours = issuer.authority.issue_cert("watcher@example.com")
    certificate, key = folder / "client.pem", folder / "client.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in ours.cert_chain_pems))
    pem = ours.private_key_pem.bytes()
    if password:
        pem = load_pem_private_key(pem, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode())
        )
    key.write_bytes(pem)
    return Link(
        ca_file=issuer.file, client_cert=certificate, client_key=key, password=lambda: password
    )


@pytest.mark.parametrize("password", ["", "of-the-key"])
async def test_a_client_certificate_opens_a_door_that_is_closed_without(
    issuer: Issuer, tmp_path: Path, password: str
) -> None:
    async with serving(answer(), tls=issuer.server(asks=True)) as served:
        link = identity(issuer, tmp_path, password)
        assert (await post(served.url, link)).status == 200
        assert (await post(served.url, Link(ca_file=issuer.file))).status == 0
    assert len(served.requests) == 1


async def test_the_alert_of_who_wants_a_certificate_is_told(issuer: Issuer) -> None:
    """asyncio's server resets the connection, so that the alert is lost; this one ends it properly."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = issuer.server(asks=True).wrap_bio(incoming, outgoing, server_side=True)
        over = False
        while not over and (chunk := await reader.read(65536)):
            incoming.write(chunk)
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                over = True
            writer.write(outgoing.read())
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        got = await post(f"https://127.0.0.1:{port}", Link(ca_file=issuer.file))
    assert got.error == f"127.0.0.1:{port} ended TLS: tlsv13 alert certificate required"


async def test_key_and_certificate_may_be_in_one_file(issuer: Issuer, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(
        issuer.authority.issue_cert("a@b.example").private_key_and_cert_chain_pem.bytes()
    )
    async with serving(answer(), tls=issuer.server(asks=True)) as served:
        assert (await post(served.url, Link(ca_file=issuer.file, client_cert=both))).status == 200


@pytest.mark.parametrize("given", ["", "wrong"])
async def test_a_key_with_another_password_fails_and_asks_nobody(
    issuer: Issuer, tmp_path: Path, given: str
) -> None:
    link = replace(identity(issuer, tmp_path, "of-the-key"), password=lambda: given)
    got = await post("https://127.0.0.1:1", link)
    assert got.error.endswith("the key's password is wrong")
    assert "of-the-key" not in got.error


# --- proxies


def through(port: int, user: str = "") -> Callable[[], str]:
    return lambda: f"http://{user}127.0.0.1:{port}"


async def test_https_goes_through_the_proxys_tunnel(issuer: Issuer) -> None:
    async with (
        serving(answer(), tls=issuer.server()) as served,
        proxying(lambda: served.port) as proxy,
    ):
        link = Link(ca_file=issuer.file, proxy=through(proxy.port, "me:word@"))
        assert (await post(f"https://{HOST}/secret-path", link)).status == 200
    head = proxy.requests[0]
    assert head.startswith(f"CONNECT {HOST}:443 ".encode())
    assert b"secret-path" not in head
    assert b"proxy-authorization: basic" in head.lower()
    assert b"proxy-authorization" not in served.requests[0].lower()


async def test_a_proxy_is_used_for_this_machine_too_where_it_is_named() -> None:
    async with serving(answer(b"via")) as proxy:
        got = await post("http://127.0.0.1:1/hook", Link(proxy=through(proxy.port)), tls=False)
    assert got.body == b"via"


async def test_the_environments_proxy_is_not_taken_by_who_goes_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(answer(b"via")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        there = "http://no-such-host.invalid/hook"
        assert (await post(there, Link(), tls=False)).body == b"via"
        direct = await post(there, Link(proxy=lambda: ""), tls=False)
    assert direct.error == "the host name of no-such-host.invalid:80 cannot be resolved"


async def test_a_proxy_that_is_away_is_named_without_its_password() -> None:
    port = await unused_port()
    got = await post("http://a.example", Link(proxy=through(port, "me:word@")), tls=False)
    assert got.error == f"a.example:80 (through the proxy 127.0.0.1:{port}) refuses connections"


def unreadable() -> str:
    raise WatcherError


async def test_a_proxy_that_cannot_be_read_is_no_way_around_it() -> None:
    async with serving(answer()) as served:
        got = await post(served.url, Link(proxy=unreadable), tls=False)
    assert got.error == "the proxy's address cannot be read"
    assert not served.requests


# --- links of their own


async def test_who_holds_all_its_connections_holds_up_nobody_else() -> None:
    """Two receivers behind one gateway; one of them hangs with everything that it may have."""

    async def script(served: Served, writer: asyncio.StreamWriter) -> None:
        if b"/hangs" in served.requests[-1]:
            if len(served.requests) == 2:
                both.set()
            await asyncio.Event().wait()
        writer.write(answer())

    both = asyncio.Event()
    async with serving(script) as served, Transport(Clock()) as transport:
        hanging, healthy = (transport.webhook(Link(connections=2)) for _ in range(2))

        async def send(path: str, client: WebhookClient) -> HttpReply:
            return await client(f"{served.url}/{path}", content=b"", headers={}, timeout=20.0)

        stuck = [asyncio.create_task(send("hangs", hanging)) for _ in range(5)]
        await both.wait()
        began = time.monotonic()
        assert (await send("fine", healthy)).status == 200
        assert time.monotonic() - began < 5
        assert served.connections == 3
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_receivers_of_one_gateway_do_not_hold_each_other_up(tmp_path: Path) -> None:
    """From the configuration to the wire: one receiver hangs with all that `concurrency` gives it."""
    hangs = asyncio.Event()

    async def script(served: Served, writer: asyncio.StreamWriter) -> None:
        if b"/hangs" in served.requests[-1]:
            hangs.set()
            await asyncio.Event().wait()
        writer.write(answer())

    async with serving(script) as served, Transport(wall_clock) as transport:
        file = tmp_path / "watcher.yaml"
        file.write_text(
            "sources: {leads: {provider: leadping, token: none}}\n"
            "receivers:\n"
            f"  slow: {{type: webhook, url: '{served.url}/hangs', concurrency: 1}}\n"
            f"  fine: {{type: webhook, url: '{served.url}/fine', concurrency: 1}}\n"
        )
        slow, fine = plan_receivers(load([file], environ={}).receivers, transport)
        assert (slow.slots, fine.slots) == (1, 1)
        notice = Notice(sample("leads", "leadping", wall_clock(), "x"), "", "", wall_clock())
        stuck = asyncio.create_task(slow.notifier.send(notice))
        await hangs.wait()
        assert (await fine.notifier.send(notice)).outcome == "ok"
        assert not stuck.done()
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_a_connection_that_does_not_come_about_is_given_up_before_the_timeout() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    # The handshake of TLS belongs to connecting, and this server never begins it.
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        got = await post(f"https://127.0.0.1:{port}", Link(), timeout=30.0, connect_timeout=0.2)
        assert time.monotonic() - began < 10
    assert got.error == f"127.0.0.1:{port} does not answer a connection attempt in time"
