"""Each way in which a request fails, against real servers: what is raised, and what is never told."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx  # noqa: TID251 - the transport's own failures are put to it one by one
import pytest
import trustme

from tests.support.asking import LISTING, TOKEN, ask, connection
from tests.support.loopback import Served, answer, serving, unused_port
from watcher.errors import (
    ConfigError,
    Problem,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from watcher.providers import Request
from watcher.transport import Connection
from watcher.transport.failures import explain


async def fail(to: Connection | str, request: Request = LISTING) -> SourceError:
    """Ask, expect a failure, and see that nothing secret is in it, its traceback included."""
    with pytest.raises(SourceError) as caught:
        await ask(to, request)
    told = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in told
    assert "secret-cursor" not in told
    assert "\n" not in caught.value.reason + caught.value.remedy
    return caught.value


async def drop(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def cut_short(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,")
    writer.close()


async def cut_chunks_short(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n")
    writer.close()


async def drip(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def hang(_served: Served, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def flood(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    megabyte = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    while True:
        writer.write(megabyte)
        await writer.drain()


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        pytest.param(drop, SourceUnavailable, "broke the answer off", id="no answer at all"),
        pytest.param(cut_short, SourceUnavailable, "broke the answer off", id="cut short"),
        pytest.param(cut_chunks_short, SourceUnavailable, "broke the answer off", id="cut chunks"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", SourceUnavailable, "not speak HTTP", id="another protocol"),
        pytest.param(drip, SourceUnavailable, "not answer in time", id="drips"),
        pytest.param(hang, SourceUnavailable, "not answer in time", id="hangs"),
        pytest.param(flood, SourceChanged, "more than 32 MiB", id="endless"),
        pytest.param(
            answer(gzip.compress(bytes(40 * 2**20)), "Content-Encoding: gzip"),
            SourceChanged, "more than 32 MiB", id="gzip bomb",
        ),
        pytest.param(
            answer(b"no gzip", "Content-Encoding: gzip"),
            SourceUnavailable, "compression is broken", id="broken gzip",
        ),
        pytest.param(
            answer(b"", "Content-Encoding: gzip, gzip"), SourceChanged, "not asked for",
            id="gzip in gzip",
        ),
    ],
)  # fmt: skip
async def test_a_bad_answer_is_a_reason_with_host_and_port(
    script: Any, kind: type[SourceError], words: str
) -> None:
    async with serving(script) as served:
        patience = 0.4 if script in (drip, hang) else 20.0
        error = await fail(connection(served.url, deadline=patience))
    assert type(error) is kind
    assert words in error.reason
    assert f"127.0.0.1:{served.port}" in error.reason
    assert not (isinstance(error, SourceUnavailable) and error.connect)
    assert served.connections == 1, "only a kept-alive connection is worth a second try"


async def test_a_refused_connection_says_so() -> None:
    port = await unused_port()
    error = await fail(f"http://127.0.0.1:{port}")
    assert isinstance(error, SourceUnavailable)
    assert error.connect
    assert error.reason == f"127.0.0.1:{port} refuses connections"
    assert "whether the server runs" in error.remedy


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".example"])
async def test_a_name_that_does_not_resolve_is_no_connection(host: str) -> None:
    error = await fail(f"http://{host}:81")
    assert isinstance(error, SourceUnavailable)
    assert error.connect
    assert error.reason == f"the host name of {host}:81 cannot be resolved"


async def test_a_certificate_of_an_unknown_authority_is_not_accepted_and_a_known_one_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with serving(answer(), tls=context) as served:
        url = served.url.replace("http:", "https:")
        error = await fail(url)
        assert isinstance(error, SourceUnavailable)
        assert error.connect
        assert "certificate" in error.reason
        assert "SSL_CERT_FILE" in error.remedy
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert (await ask(url)).status == 200


async def test_tls_to_a_plain_server_is_no_connection() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        error = await fail(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert isinstance(error, SourceUnavailable)
    assert error.connect
    assert "does not agree on TLS" in error.reason


@pytest.mark.parametrize("token", ["two\nlines " + TOKEN, TOKEN + "ä", "nul\0" + TOKEN])
async def test_a_token_that_no_header_can_carry_is_refused_without_being_quoted(token: str) -> None:
    async with serving(answer()) as served:
        to = connection(served.url, credentials=lambda: {"authorization": token})
        error = await fail(to)
    assert type(error) is SourceRefused
    assert not served.requests


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (FileNotFoundError(2, "No such file or directory"), "No such file"),
        (ConfigError((Problem("a.yaml", 3, 5, "TOKEN is not set"),)), "a.yaml:3:5"),
    ],
)
async def test_a_token_that_cannot_be_read_is_refused(raised: Exception, words: str) -> None:
    def credentials() -> Mapping[str, str]:
        raise raised

    error = await fail(connection("http://127.0.0.1:1", credentials=credentials))
    assert type(error) is SourceRefused
    assert words in str(error)


async def test_an_address_that_is_none_is_refused() -> None:
    error = await fail("http://chat.example.com:port")
    assert type(error) is SourceRefused


@pytest.mark.parametrize(
    ("error", "words", "connect"),
    [
        (httpx.ConnectTimeout(TOKEN), "connection attempt", True),
        (httpx.ReadTimeout(TOKEN), "not answer in time", False),
        (httpx.PoolTimeout(TOKEN), "are busy", False),
        (httpx.ProxyError(TOKEN), "the proxy does not connect", True),
        (httpx.ReadError(TOKEN), "was lost", False),
        (httpx.ConnectError(TOKEN), "no connection", True),
    ],
)
def test_other_failures_are_told_in_words_of_our_own(
    error: Exception, words: str, connect: bool
) -> None:
    failure = explain(error, httpx.URL(f"https://chat.example.com/a?b={TOKEN}"), "the provider")
    assert words in failure.reason
    assert "chat.example.com:443" in failure.reason
    assert TOKEN not in failure.reason + failure.remedy
    assert failure.connect is connect
