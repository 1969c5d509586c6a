"""What an answer may cost: real servers on loopback that send too much, too slowly, or too well packed."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable

import pytest

from tests.support.asking import LISTING, ask, connection
from tests.support.loopback import Served, answer, serving
from watcher.errors import SourceChanged, SourceError, SourceUnavailable

MEGABYTE = 2**20
Script = Callable[[Served, asyncio.StreamWriter], Awaitable[None]]


def endless(head: bytes, part: bytes) -> Script:
    """Send `head`, then `part` again and again until the other side hangs up."""

    async def script(_served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()

    return script


def gzip_bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
BOMB = gzip_bomb(100)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        pytest.param(
            endless(CHUNKED + b"\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n"),
            SourceChanged, "more than 1 MiB", id="an endless body",
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536),
            SourceChanged, "more than 1 MiB", id="a body that ends with the connection",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            SourceChanged, "more than 1 MiB", id="a length that says so",
        ),
        pytest.param(
            answer(BOMB, "Content-Encoding: gzip"),
            SourceChanged, "more than 1 MiB", id="100 MB in 100 KB of gzip",
        ),
        pytest.param(
            answer(BOMB[:50_000], "Content-Encoding: gzip"),
            SourceChanged, "more than 1 MiB", id="a gzip bomb that never ends",
        ),
        pytest.param(
            answer(gzip.compress(b"[1]" * 900)[:-12], "Content-Encoding: gzip"),
            SourceUnavailable, "compression is broken", id="gzip that ends too early",
        ),
        *(
            pytest.param(
                answer(zlib.compress(b"[]"), f"Content-Encoding: {name}"),
                SourceChanged, "not asked for", id=f"encoded as {name}",
            )
            for name in ("br", "zstd", "deflate", "gzip, gzip, gzip", "compress")
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1_000 + b"\r\n"),
            SourceUnavailable, "does not speak HTTP", id="endless headers",
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nX-More: ", b"x" * 65_536),
            SourceUnavailable, "does not speak HTTP", id="one endless header",
        ),
        pytest.param(
            endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
            SourceUnavailable, "does not speak HTTP", id="endless interim answers",
        ),
        pytest.param(
            endless(CHUNKED + b"\r\n", b"1;" + b"x" * 65_536),
            SourceUnavailable, "does not speak HTTP", id="an endless chunk extension",
        ),
        pytest.param(
            endless(CHUNKED + b"\r\n0\r\n", b"X-More: " + b"x" * 1_000 + b"\r\n"),
            SourceUnavailable, "does not speak HTTP", id="endless trailers",
        ),
    ],
)  # fmt: skip
async def test_an_answer_without_measure_ends_at_the_limit_and_takes_no_memory(
    script: Script | bytes, kind: type[SourceError], words: str
) -> None:
    patience = 1.0 if kind is SourceUnavailable and "in time" in words else 30.0
    async with serving(script) as served:
        to = connection(served.url, deadline=patience, largest=MEGABYTE)
        tracemalloc.start()
        with pytest.raises(SourceError) as caught:
            await ask(to, LISTING)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert type(caught.value) is kind
    assert words in caught.value.reason
    assert peak < 16 * MEGABYTE, f"{peak:,} bytes"


async def test_what_just_fits_is_read_whole() -> None:
    body = b"x" * MEGABYTE
    for told in (answer(body), answer(gzip.compress(body), "Content-Encoding: GZIP")):
        async with serving(told) as served:
            assert (await ask(connection(served.url, largest=MEGABYTE))).body == body
            with pytest.raises(SourceChanged, match="raise largest_answer"):
                await ask(connection(served.url, largest=MEGABYTE - 1))


@pytest.mark.parametrize("status", ["204 Empty", "304 Same", "200 OK"])
async def test_an_empty_body_is_empty_however_it_is_said_to_be_packed(status: str) -> None:
    async with serving(answer(b"", "Content-Encoding: gzip", status=status)) as served:
        assert (await ask(served.url)).body == b""


async def test_a_drip_ends_at_the_sources_own_timeout() -> None:
    async def drip(_served: Served, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as served:
        with pytest.raises(SourceUnavailable, match="did not answer in time"):
            await ask(connection(served.url, deadline=0.5))


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 01 Jan 0001 00:00:00 +2359", "Thu, 1 Jan 99999 0:0:0",
        "Fri, 20 Nov 2026 09:59:58 +999999999", "Fri, 20 Nov 2026 99999999999999:1:1 GMT", ", ,", "1",
        "Fri, 20 Nov 1626 09:59:58 GMT", "\xff", "x" * 10_000,
    ],
)  # fmt: skip
async def test_a_clock_that_nobody_has_is_no_date(date: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: {date}\r\n\r\n{{}}".encode("latin-1")
    async with serving(head) as served:
        response = await ask(served.url)
    assert response.status == 200
    assert response.date is None or 1970 <= response.date.year < 2200


async def test_names_and_values_of_headers_may_be_any_bytes_that_http_lets_through() -> None:
    head = b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\nX-\x7fOdd\xff: \xff\x01\r\n\r\n{}"
    async with serving(head) as served:
        try:
            assert (await ask(served.url)).status == 200
        except SourceUnavailable as error:
            assert "does not speak HTTP" in error.reason  # noqa: PT017 - either is right
